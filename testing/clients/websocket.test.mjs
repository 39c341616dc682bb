import { clientTests } from "./transports.mjs";

clientTests({ polling: false });
