// A peer to compare with: Socket.IO; several processes hear each other through its Redis adapter.
// `node socketio.cjs PORT [REDIS_URL]` serves /socket.io on 127.0.0.1; event `join` enters a room, and the
// payload of event `m` goes to everybody in it.
"use strict";

const http = require("node:http");
const { Server } = require("socket.io");

async function main(port, redis) {
  const server = http.createServer();
  // The generator answers no pings: none shall be due while it measures.
  const io = new Server(server, { pingInterval: 600_000, transports: ["websocket"], serveClient: false });
  if (redis) {
    const { createClient } = require("redis");
    const { createAdapter } = require("@socket.io/redis-adapter");
    // Its own limit of five seconds ends the process on a machine that is busy measuring.
    const publishing = createClient({ url: redis, commandOptions: { timeout: 60_000 } });
    const subscribed = publishing.duplicate();
    await Promise.all([publishing.connect(), subscribed.connect()]);
    io.adapter(createAdapter(publishing, subscribed));
  }
  io.on("connection", (socket) => {
    socket.on("join", async (room, answer) => {
      socket.data.room = room;
      await socket.join(room);
      answer("joined");
    });
    socket.on("m", (body) => io.to(socket.data.room).emit("m", body));
  });
  server.listen(port, "127.0.0.1", 4096);
}

main(Number(process.argv[2]), process.argv[3]);
