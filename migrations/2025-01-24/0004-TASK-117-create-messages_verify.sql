-- The joins that the application makes.
SELECT count(*)
FROM messages
JOIN rooms ON rooms.id = messages.room_id
LEFT JOIN users ON users.id = messages.author_id;
