//! What PostgreSQL's catalogue tells. It writes most definitions by itself; without a search path every name in them is
//! qualified.

use crate::catalogue::model::{Catalogue, Column, Constraint, Named, Nullability, PRIMARY_KEY, Table, of_value};
use crate::driver::completed::Row;

/// Of which schemas: not of the server's own, nor of sessions.
const OURS: &str = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

/// What belongs to an extension is the extension's: `{catalog}` and `{oid}` say which object is meant.
const FREE: &str = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = '{catalog}'::regclass AND x.objid = {oid} \
                    AND x.deptype = 'e')";

/// A name with its schema, unless that is the default one.
const SHOWN: &str = "CASE WHEN n.nspname = 'public' THEN {name}::text ELSE n.nspname || '.' || {name} END";

/// The first column says what a row is about; all are texts.
const QUERIES: [&str; 13] = [
    // Properties: how it is partitioned, whose partition or child it is, unlogged, row security.
    "SELECT 'table', {c}, pg_get_partkeydef(c.oid), (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) \
     FROM pg_inherits i WHERE i.inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid), \
     CASE WHEN c.relpersistence = 'u' THEN 'on' END, \
     CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'on' END, \
     CASE WHEN c.relkind = 'f' THEN 'on' END \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'f') AND {ours} AND {free c}",
    "SELECT 'column', {c}, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, \
     CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
     CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
     CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END, \
     (SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation AND a.attcollation <> \
     (SELECT t.typcollation FROM pg_type t WHERE t.oid = a.atttypid)) \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {ours} AND {free c}",
    "SELECT 'constraint', {c}, k.contype::text, pg_get_constraintdef(k.oid) FROM pg_constraint k \
     JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND {ours} AND {free c}",
    // Those of keys are the keys'.
    "SELECT 'index', {c}, i.relname, pg_get_indexdef(i.oid), x.indisvalid::text, c.relkind::text FROM pg_index x \
     JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ours} AND {free c} AND NOT EXISTS \
     (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))",
    "SELECT 'part', {c}, 'trigger', t.tgname, pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' \
     ELSE ' enabled ' || t.tgenabled::text END FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {ours} AND {free c}",
    "SELECT 'part', {c}, 'rule', r.rulename, pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND {ours} AND {free c}",
    "SELECT 'part', {c}, 'policy', p.polname, concat_ws(' ', p.polcmd::text, CASE WHEN NOT p.polpermissive THEN 'restrictive' END, \
     'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid)) \
     FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE {ours} AND {free c}",
    "SELECT 'object', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, {c}, \
     pg_get_viewdef(c.oid) || coalesce(array_to_string(c.reloptions, ' '), '') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {ours} AND {free c}",
    // What makes the numbers of an identity column is the column's.
    "SELECT 'object', 'sequence', {c}, concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'step', s.seqincrement, \
     'from', s.seqmin, 'to', s.seqmax, CASE WHEN s.seqcycle THEN 'cycle' END) FROM pg_sequence s \
     JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {ours} AND {free c} \
     AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid \
     AND x.deptype = 'i')",
    "SELECT 'object', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, \
     {p} || '(' || pg_get_function_identity_arguments(p.oid) || ')', \
     CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE pg_get_function_result(p.oid) END \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {ours} AND {free p}",
    // Enums, domains, ranges, and composites that are no table's.
    "SELECT 'object', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END, {t}, CASE t.typtype \
     WHEN 'e' THEN (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) \
     WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END, \
     'default ' || t.typdefault, (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY pg_get_constraintdef(k.oid)) \
     FROM pg_constraint k WHERE k.contypid = t.oid)) \
     WHEN 'r' THEN (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid) \
     ELSE (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) \
     FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END \
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {ours} AND {free t} AND (t.typtype IN ('e', 'd', 'r') \
     OR t.typtype = 'c' AND (SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid) = 'c')",
    "SELECT 'object', 'extension', extname, '' FROM pg_extension WHERE extname <> 'plpgsql'",
    "SELECT 'object', 'schema', n.nspname, '' FROM pg_namespace n WHERE n.nspname <> 'public' AND {ours} AND {free n}",
];

/// One request.
pub(crate) fn queries() -> String {
    const CATALOGS: [(&str, &str, &str); 4] = [
        ("c", "pg_class", "relname"),
        ("p", "pg_proc", "proname"),
        ("t", "pg_type", "typname"),
        ("n", "pg_namespace", "nspname"),
    ];
    let fill = |query: &str| {
        let query = query.replace("{ours}", OURS);
        CATALOGS.iter().fold(query, |query, (alias, catalog, name)| {
            let free = FREE.replace("{catalog}", catalog).replace("{oid}", &format!("{alias}.oid"));
            let shown = SHOWN.replace("{name}", &format!("{alias}.{name}"));
            query.replace(&format!("{{free {alias}}}"), &free).replace(&format!("{{{alias}}}"), &shown)
        })
    };
    let queries: Vec<String> = QUERIES.iter().map(|query| fill(query)).collect();
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSET LOCAL search_path = '';\n{};\nROLLBACK",
        queries.join(";\n")
    )
}

/// The catalogue of the rows of [`queries`]; tables come first.
pub(crate) fn catalogue(rows: Vec<Row>) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for row in rows {
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        let value = |at: usize| row.get(at).cloned().flatten();
        match text(0) {
            "table" => {
                let properties = of_value([
                    ("partition key", value(2)),
                    ("parent", value(3)),
                    ("partition", value(4)),
                    ("UNLOGGED", value(5)),
                    ("row security", value(6)),
                    ("FOREIGN", value(7)),
                ]);
                catalogue.tables.insert(text(1).to_owned(), Table { properties, ..Table::default() });
            }
            "column" => {
                let Some(table) = catalogue.tables.get_mut(text(1)) else { continue };
                let nullability = if text(4) == "true" { Nullability::NotNull } else { Nullability::Nullable };
                let properties =
                    [("default", value(5)), ("expression", value(6)), ("identity", value(7)), ("collation", value(8))];
                table.columns.insert(text(2).to_owned(), Column::new(text(3), nullability, properties));
            }
            "constraint" => {
                let Some(table) = catalogue.tables.get_mut(text(1)) else { continue };
                table.constraints.push(constraint(text(2), text(3)));
            }
            "index" => {
                let says = index_says(text(3), text(4) == "true");
                match catalogue.tables.get_mut(text(1)) {
                    Some(table) => drop(table.indexes.insert(text(2).to_owned(), says)),
                    // Of a materialized view.
                    None => catalogue.add_part(text(1), Named::new("index", text(2)), says),
                }
            }
            "part" => {
                let sort = ["trigger", "rule"].into_iter().find(|sort| *sort == text(2)).unwrap_or("policy");
                catalogue.add_part(text(1), Named::new(sort, text(3)), text(4).to_owned());
            }
            "object" => {
                let sort = SORTS.into_iter().find(|sort| *sort == text(1)).unwrap_or("object");
                catalogue.objects.insert(Named::new(sort, text(2)), text(3).to_owned());
            }
            _ => {}
        }
    }
    catalogue
}

const SORTS: [&str; 12] = [
    "view",
    "materialized view",
    "sequence",
    "function",
    "procedure",
    "aggregate",
    "enum",
    "domain",
    "type",
    "extension",
    "schema",
    "trigger",
];

/// `PRIMARY KEY (id)`, `FOREIGN KEY (a) REFERENCES public.b(c)`
fn constraint(sort: &str, definition: &str) -> Constraint {
    let (sort, words) = match sort {
        "p" => (PRIMARY_KEY, "PRIMARY KEY "),
        "u" => ("unique key", "UNIQUE "),
        "f" => ("foreign key", "FOREIGN KEY "),
        "c" => ("check", "CHECK "),
        _ => ("exclusion", "EXCLUDE "),
    };
    let says = definition.strip_prefix(words).unwrap_or(definition);
    Constraint::new(sort, says.replace(" public.", " "))
}

/// `CREATE UNIQUE INDEX i ON public.t USING btree (a)`, without its name and its table's.
fn index_says(definition: &str, is_valid: bool) -> String {
    let (head, method) = definition.split_once(" USING ").unwrap_or(("", definition));
    let unique = if head.starts_with("CREATE UNIQUE ") { "unique " } else { "" };
    let says = method.strip_prefix("btree ").unwrap_or(method);
    format!("{unique}{says}{}", if is_valid { "" } else { ", invalid" })
}

/// Drops everything in a database that was empty before: extensions, schemas of its own, and then what is left in the
/// default one. Tables go before sequences, and types before routines, so that those that belong to a column or to a range
/// type are gone with it. It looks again before each, since what was dropped has taken others along.
pub(crate) const EMPTY: &str = "DO $empty$
DECLARE what text;
BEGIN
  LOOP
    SELECT it.what INTO what FROM (
      SELECT 1 AS turn, format('EXTENSION %I', extname) AS what FROM pg_extension WHERE extname <> 'plpgsql'
      UNION ALL
      SELECT 2, format('SCHEMA %I', nspname) FROM pg_namespace
      WHERE nspname <> 'public' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
      UNION ALL
      SELECT CASE relkind WHEN 'S' THEN 4 WHEN 'c' THEN 5 ELSE 3 END, format('%s public.%I', CASE relkind
      WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE'
      WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, relname) FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
      UNION ALL
      SELECT 5, format('%s public.%I', CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, typname) FROM pg_type
      WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
      UNION ALL
      SELECT 6, 'ROUTINE ' || p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid
      AND x.deptype = 'i')
    ) it ORDER BY it.turn LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE 'DROP ' || what || ' CASCADE';
  END LOOP;
END $empty$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_server_may_have_chosen_are_left_out() {
        let index = "CREATE UNIQUE INDEX i ON public.t USING btree (lower(a)) WHERE (b > 1)";
        assert_eq!(index_says(index, true), "unique (lower(a)) WHERE (b > 1)");
        assert_eq!(index_says("CREATE INDEX i ON t USING gin (a)", false), "gin (a), invalid");
        let key = constraint("f", "FOREIGN KEY (a) REFERENCES public.b(c) ON DELETE CASCADE");
        assert_eq!((key.sort, &*key.says), ("foreign key", "(a) REFERENCES b(c) ON DELETE CASCADE"));
        assert!(!queries().contains('{'), "{}", queries());
    }
}
