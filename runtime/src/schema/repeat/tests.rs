use super::*;
use whimbrel_core::Dialect;
use whimbrel_core::words::words;

#[test]
fn what_a_second_run_does() {
    let counter = "adds to a counter";
    let list = "writes a list";
    let element = "changes an element of a list by its place";
    let json = "may write a list (as JSON)";
    let conditional = "is conditional (IF)";
    let cases = [
        ("INSERT INTO a (b, c) VALUES (1, 'x')", ""),
        ("INSERT INTO a.b(c) VALUES(1)", ""),
        ("INSERT INTO a (b) VALUES (1) USING TTL 5", ""),
        ("INSERT INTO a (b) VALUES ({'a': 1, 'b': (1, 2)})", ""),
        ("INSERT INTO a (b) VALUES ('if now() [1]')", ""),
        ("INSERT INTO a (\"if\") VALUES (1)", ""),
        ("INSERT INTO a (b) VALUES (textAsBlob('x'), (int) 5, toTimestamp(minTimeuuid('2020-01-01')))", ""),
        ("INSERT INTO a (b) VALUES (system.textAsBlob('x'))", ""),
        ("INSERT INTO a JSON '{\"b\": 1}'", ""),
        ("UPDATE a SET b = 1, c.d = 2 WHERE e IN (1, 2) AND (f, g) = (1, 2)", ""),
        ("UPDATE a SET s = s + {1}, m = m - {'a'}, m += {'b': 2}, m['k'] = 'v' WHERE b = 1", ""),
        ("UPDATE a SET b = 1 + 2, c = -3 WHERE d = 1", ""),
        ("UPDATE a SET u = {street: 'x', u: 'y'} WHERE b = 1", ""),
        ("UPDATE a SET b = 1 WHERE token(c) = 5", ""),
        ("DELETE FROM a WHERE b = 1", ""),
        ("DELETE m['k'], m[0xab], m[123e4567-e89b-12d3-a456-426614174000], b.c FROM a WHERE d = 1", ""),
        ("BEGIN BATCH INSERT INTO a (b) VALUES (1); DELETE FROM a WHERE b = 2; APPLY BATCH", ""),
        (
            "BEGIN UNLOGGED BATCH UPDATE a USING TIMESTAMP 5 SET b = 1 WHERE c = 1 DELETE FROM a WHERE b = 1 APPLY BATCH",
            "",
        ),
        ("BEGIN BATCH APPLY BATCH", ""),
        ("INSERT INTO a (timestamp) VALUES (1) USING TTL 5", ""),
        ("INSERT INTO a (b) VALUES (1) USING TIMESTAMP 5", "own"),
        ("INSERT INTO a (b) VALUES (1) USING TTL 5 AND timestamp 7", "own"),
        ("UPDATE a USING TIMESTAMP 5 SET b = 1 WHERE c = 1", "own"),
        ("UPDATE a USING TTL 5 SET timestamp = 1 WHERE c = 1", ""),
        ("DELETE FROM a USING TIMESTAMP 5 WHERE b = 1", "own"),
        ("BEGIN BATCH USING TIMESTAMP 5 DELETE FROM a WHERE b = 1; APPLY BATCH", "own"),
        (
            "BEGIN BATCH DELETE FROM a USING TIMESTAMP 5 WHERE b = 1; INSERT INTO a (b) VALUES (1) USING TIMESTAMP 6 APPLY BATCH",
            "own",
        ),
        ("UPDATE a SET c = c + 1 WHERE b = 1", counter),
        ("UPDATE a SET \"c\" = C - 1 WHERE b = 1", counter),
        ("UPDATE a SET c=c-3 WHERE b = 1", counter),
        ("UPDATE a SET b = 1, c += 1 WHERE b = 1", counter),
        ("UPDATE a SET c -= 1 WHERE b = 1", counter),
        ("UPDATE a SET s = s + {1}, c = c + 1 WHERE b = 1", counter),
        ("BEGIN COUNTER BATCH UPDATE a SET c = c + 1 WHERE b = 1 APPLY BATCH", "adds to counters"),
        ("UPDATE a SET l = l + [1] WHERE b = 1", list),
        ("UPDATE a SET l = [1] + l WHERE b = 1", list),
        ("UPDATE a SET l += ['x'] WHERE b = 1", list),
        ("UPDATE a SET l = (list<int>) [1] WHERE b = 1", list),
        ("UPDATE a SET m = {'a': [1]} WHERE b = 1", list),
        ("UPDATE a USING TIMESTAMP 5 SET l = [1] WHERE b = 1", list),
        ("INSERT INTO a (b) VALUES ([1, 2])", list),
        ("BEGIN BATCH INSERT INTO a (b) VALUES (1, [2]) APPLY BATCH", list),
        ("INSERT INTO a JSON '{\"b\": [1]}'", json),
        ("INSERT INTO a (b) VALUES (fromJson($$[1]$$))", json),
        ("DELETE l[0] FROM a WHERE b = 1", element),
        ("UPDATE a SET m['k'] = 'v', l[0] = 'x' WHERE b = 1", element),
        ("DELETE values, l[0] FROM a WHERE b = 1", element),
        ("DELETE l[(int) 0] FROM a WHERE b = 1", element),
        ("DELETE l[2 - 1] FROM a WHERE b = 1", element),
        ("BEGIN BATCH UPDATE a SET b = 1 WHERE c = 1; DELETE l[0] FROM a WHERE b = 1; APPLY BATCH", element),
        ("INSERT INTO a (b) VALUES (1) IF NOT EXISTS", conditional),
        ("UPDATE a SET b = 1 WHERE c = 1 if d = 2", conditional),
        ("DELETE FROM a WHERE b = 1 IF EXISTS", conditional),
        ("INSERT INTO a (b) VALUES (now())", "calls now(), whose answer may be another each time"),
        ("INSERT INTO a (b) VALUES (toTimestamp(now()))", "calls now(), whose answer may be another each time"),
        ("UPDATE a SET b = uuid ( ) WHERE c = 1", "calls uuid(), whose answer may be another each time"),
        (
            "UPDATE a SET b = current_timestamp() WHERE c = 1",
            "calls current_timestamp(), whose answer may be another each time",
        ),
        ("UPDATE a SET b = ks.abs(1) WHERE c = 1", "calls abs(), whose answer may be another each time"),
        ("UPDATE a SET b = mine(1) WHERE c = 1", "calls mine(), whose answer may be another each time"),
        (
            "BEGIN TRANSACTION UPDATE a SET b = 1 WHERE c = 1; COMMIT TRANSACTION",
            "is a transaction that decides by what it reads",
        ),
    ];
    for (text, expected) in cases {
        let expected = match expected {
            "" => Repeat::Pinned,
            "own" => Repeat::OwnTimestamp,
            why => Repeat::Unrepeatable(format!("it {why}")),
        };
        assert_eq!(repeat(&words(text, Dialect::Cql)), expected, "{text}");
    }
}
