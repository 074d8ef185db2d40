DROP VIEW unread_messages;
