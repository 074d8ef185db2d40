-- A new installation is not empty: there is a room to say hello in, and everybody who exists is in it.
INSERT INTO rooms (id, name, topic)
VALUES ('00000000-0000-0000-0000-000000000001', 'general', 'Say hello; be kind');

INSERT INTO members (room_id, user_id, role)
SELECT '00000000-0000-0000-0000-000000000001', id, CASE WHEN is_admin THEN 'owner' ELSE 'member' END
FROM users;

INSERT INTO messages (id, room_id, body)
VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'It''s quiet here. Say hello!');
