-- What others see instead of the address. Without a default and not required yet: the release that runs now does not
-- write it. 0007 fills what is there.
ALTER TABLE users ADD COLUMN display_name VARCHAR(80);
