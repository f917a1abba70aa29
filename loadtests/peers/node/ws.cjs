// A peer to compare with: the loop over clients of the ws library's own documentation.
// `node ws.cjs PORT` serves any path on 127.0.0.1; the first message names a room, and what one client sends
// then, everybody in its room receives.
"use strict";

const { WebSocketServer, WebSocket } = require("ws");

const rooms = new Map();

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });

server.on("connection", (socket) => {
  let room = null;
  socket.on("message", (data) => {
    if (room === null) {
      const name = JSON.parse(data).room;
      room = rooms.get(name);
      if (room === undefined) rooms.set(name, (room = new Set()));
      room.add(socket);
      socket.send('{"t":"joined"}');
      return;
    }
    for (const client of room) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => room?.delete(socket));
});
