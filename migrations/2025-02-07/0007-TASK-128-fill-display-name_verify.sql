SELECT 'everybody has a name' WHERE NOT EXISTS (SELECT 1 FROM users WHERE display_name IS NULL);
