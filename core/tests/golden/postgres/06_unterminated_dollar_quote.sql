SELECT 1;
DO $do$ BEGIN; $$ END $DO$;
