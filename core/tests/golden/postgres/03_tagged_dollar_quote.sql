DO $body$ BEGIN PERFORM $$a;b$$; PERFORM '$other$'; END $body$;
SELECT 1;
