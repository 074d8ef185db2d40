-- Each statement that writes leaves a row, so that one which runs twice is seen.
CREATE TABLE ran (what VARCHAR(100) NOT NULL);
CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0);
INSERT INTO counts (id) VALUES (1), (2), (3), (4), (5);
