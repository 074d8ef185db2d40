-- People who can log in. The application chooses the id (a UUID), so that it knows it before it writes.
CREATE TABLE users (
    id            VARCHAR(36)  NOT NULL PRIMARY KEY,
    email         VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    is_admin      BOOLEAN      NOT NULL DEFAULT FALSE,
    created_at    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT users_email_has_an_at CHECK (email LIKE '%_@_%')
);

-- Addresses differ in more than case, or they are the same: the application writes them in lower case.
CREATE UNIQUE INDEX users_email ON users (email);
