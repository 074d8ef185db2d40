-- The words of a message, kept by triggers.
CREATE VIRTUAL TABLE messages_words USING fts5 (body, message_id UNINDEXED);

CREATE TRIGGER messages_words_insert AFTER INSERT ON messages BEGIN
    INSERT INTO messages_words (body, message_id) VALUES (new.body, new.id);
END;

CREATE TRIGGER messages_words_update AFTER UPDATE OF body ON messages BEGIN
    DELETE FROM messages_words WHERE message_id = old.id;
    INSERT INTO messages_words (body, message_id) VALUES (new.body, new.id);
END;

CREATE TRIGGER messages_words_delete AFTER DELETE ON messages BEGIN
    DELETE FROM messages_words WHERE message_id = old.id;
END;

-- What was said before today.
INSERT INTO messages_words (body, message_id) SELECT body, id FROM messages;
