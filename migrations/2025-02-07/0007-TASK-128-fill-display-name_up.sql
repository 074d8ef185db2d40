-- The address is what others have seen so far.
UPDATE users SET display_name = email WHERE display_name IS NULL OR display_name = '';
