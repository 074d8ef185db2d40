SELECT count(user_id), count(room_id), count(room), count(unread) FROM unread_messages;
