-- Names that people chose since stay; the ones that were filled in are the address.
UPDATE users SET display_name = NULL WHERE display_name = email;
