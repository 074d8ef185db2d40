-- The words of a message, kept by the server itself. The configuration is named, since the default one is a setting,
-- and a generated column must not depend on settings.
ALTER TABLE messages ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED;

CREATE INDEX messages_words ON messages USING gin (words);
