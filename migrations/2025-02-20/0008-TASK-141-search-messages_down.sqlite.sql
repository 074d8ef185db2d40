DROP TRIGGER messages_words_delete;
DROP TRIGGER messages_words_update;
DROP TRIGGER messages_words_insert;
DROP TABLE messages_words;
