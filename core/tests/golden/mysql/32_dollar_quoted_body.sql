CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE JAVASCRIPT AS $$ let x = 'it;s'; return x; // don't $$;
CREATE PROCEDURE p() LANGUAGE JAVASCRIPT AS $mle$
  let y = "$$"; $x;
$mle$;
CREATE LIBRARY l LANGUAGE JAVASCRIPT AS $$ export function g(n) { return n + 1; } $$;
SELECT $$ AS $a$ FROM $$;
DELIMITER //
CREATE FUNCTION g() RETURNS INT LANGUAGE JAVASCRIPT AS $$ // one
  return 1;
$$//
DELIMITER $$
CREATE PROCEDURE q() BEGIN SELECT 1; END$$
