// A room over socket.io and its Redis adapter: `node server.js PORT REDIS_PORT`
const { createServer } = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const [port, redisPort] = process.argv.slice(2).map(Number);

async function main() {
  const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer((_request, response) => response.end('{"status":true}'));
  const adapter = createAdapter(publisher, subscriber);
  const io = new Server(http, { path: "/ws/socket.io", transports: ["websocket"], adapter });
  io.on("connection", (socket) => {
    socket.on("user-join", (_data, acknowledge) => {
      socket.join("channel:loadgen");
      acknowledge?.({ id: "u", name: "u" });
    });
    socket.on("events:channel", (data) => io.to(`channel:${data.channel_id}`).emit("events:channel", data));
  });
  http.listen(port, "127.0.0.1");
}

main();
