-- Both the page of a room and the count of what is unread ask for "this room, since then".
CREATE INDEX messages_room_and_time ON messages (room_id, sent_at);
