//! Replies over the sockets, from the question to the stored message.

mod background;
mod branches;
mod crash;
mod failures;
mod forms;
mod many;
mod order;
mod reload;
mod stopping;
mod temporary;
mod writing_back;
