-- How many messages wait for whom. What somebody wrote themselves does not wait for them.
CREATE VIEW unread_messages AS
SELECT members.user_id, members.room_id, rooms.name AS room, count(messages.id) AS unread
FROM members
JOIN rooms ON rooms.id = members.room_id
LEFT JOIN read_markers ON read_markers.room_id = members.room_id AND read_markers.user_id = members.user_id
LEFT JOIN messages
    ON messages.room_id = members.room_id
    AND (messages.author_id IS NULL OR messages.author_id <> members.user_id)
    AND (read_markers.read_at IS NULL OR messages.sent_at > read_markers.read_at)
GROUP BY members.user_id, members.room_id, rooms.name;
