"""What PostgreSQL says, in its catalogs; names of the usual schema are not qualified."""

import re
from collections.abc import Iterator
from typing import Any

from . import Item, ask

# What belongs to the system or to an extension is none of the app's.
OURS = """
    {ns}.nspname !~ '^pg_' AND {ns}.nspname <> 'information_schema' AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = {oid}
        AND e.deptype = 'e')
"""
CLASSES = OURS.format(ns="n", catalog="pg_class", oid="c.oid")
# Each row of a query is an item: kind, name, statement, that which drops it, table, when.
SCHEMAS = """
    SELECT 'schema', format('%I', nspname), format('CREATE SCHEMA %I', nspname),
        format('DROP SCHEMA %I', nspname), NULL, 'before' FROM pg_namespace n
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid
        AND e.deptype = 'e')
    ORDER BY oid
"""
PLACES = "SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relkind = 'r'"
EXTENSIONS = """
    SELECT 'extension', format('%I', extname), format('CREATE EXTENSION IF NOT EXISTS %I', extname)
        || CASE WHEN n.nspname <> current_schema() THEN format(' SCHEMA %I', n.nspname) ELSE '' END
        || CASE WHEN extversion <> default_version THEN format(' VERSION %L', extversion) ELSE '' END,
        format('DROP EXTENSION %I', extname), NULL, 'before'
    FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace LEFT JOIN pg_available_extensions a ON a.name = extname
    WHERE extname <> 'plpgsql' ORDER BY e.oid
"""
# The locale of ICU is in a column that each version of the server names otherwise.
COLLATIONS = f"""
    SELECT 'collation', k.oid::regcollation::text, format('CREATE COLLATION %s (PROVIDER = %s', k.oid::regcollation,
        CASE collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END)
        || CASE collprovider WHEN 'c' THEN format(', LC_COLLATE = %L, LC_CTYPE = %L', collcollate, collctype)
            ELSE format(', LOCALE = %L', coalesce(to_jsonb(k) ->> 'colllocale', to_jsonb(k) ->> 'colliculocale',
                collcollate)) END
        || coalesce(', RULES = ' || quote_literal(to_jsonb(k) ->> 'collicurules'), '')
        || CASE WHEN collisdeterministic THEN ')' ELSE ', DETERMINISTIC = false)' END,
        format('DROP COLLATION %s', k.oid::regcollation), NULL, 'before'
    FROM pg_collation k JOIN pg_namespace n ON n.oid = k.collnamespace
    WHERE {OURS.format(ns="n", catalog="pg_collation", oid="k.oid")} ORDER BY k.oid
"""
TYPES = f"""
    SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'type' END,
        t.oid::regtype::text, CASE t.typtype
        WHEN 'e' THEN format('CREATE TYPE %s AS ENUM (', t.oid::regtype) || (
            SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
            FROM pg_enum WHERE enumtypid = t.oid) || ')'
        WHEN 'd' THEN format('CREATE DOMAIN %s AS ', t.oid::regtype) || format_type(t.typbasetype, t.typtypmod)
            || coalesce(' COLLATE ' || (SELECT quote_ident(collname) FROM pg_collation k
                WHERE k.oid = t.typcollation AND k.collname <> 'default'), '')
            || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
            || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(conname) || ' '
                || pg_get_constraintdef(oid, true), '' ORDER BY conname)
                FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'), '')
        WHEN 'r' THEN (SELECT format('CREATE TYPE %s AS RANGE (SUBTYPE = %s, SUBTYPE_OPCLASS = %I.%I', t.oid::regtype,
                rngsubtype::regtype, opcnamespace::regnamespace, opcname)
            || coalesce(', COLLATION = ' || nullif(rngcollation, 0)::regcollation, '')
            || coalesce(', SUBTYPE_DIFF = ' || nullif(rngsubdiff, 0)::regproc, '')
            || coalesce(', MULTIRANGE_TYPE_NAME = ' || (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype, '') || ')'
            FROM pg_range r JOIN pg_opclass o ON o.oid = rngsubopc WHERE rngtypid = t.oid)
        ELSE format('CREATE TYPE %s AS (', t.oid::regtype) || (
            SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
                || CASE WHEN attcollation = i.typcollation THEN '' ELSE ' COLLATE ' || attcollation::regcollation END,
                ', ' ORDER BY attnum)
            FROM pg_attribute JOIN pg_type i ON i.oid = atttypid
            WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) || ')'
        END, format('DROP %s %s', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid::regtype), NULL, 'before'
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
        AND {OURS.format(ns="n", catalog="pg_type", oid="t.oid")}
    ORDER BY t.oid
"""
FOUND = f"""
    WITH found AS (
        SELECT s.*, c.oid, c.relpersistence, c.oid::regclass::text AS name, d.deptype, d.refobjid::regclass::text AS of,
            quote_ident(a.attname) AS part
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE {CLASSES} ORDER BY c.oid)
"""
SEQUENCES = f"""{FOUND}
    SELECT 'sequence', name, format(
        'CREATE %sSEQUENCE %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
        CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' END, name, format_type(seqtypid, NULL), seqincrement, seqmin, seqmax, seqstart, seqcache,
        CASE WHEN seqcycle THEN ' CYCLE' END),
        CASE WHEN of IS NULL THEN 'DROP SEQUENCE ' || name ELSE '' END, of, 'before'
    FROM found WHERE deptype IS DISTINCT FROM 'i'
"""
OWNERS = f"""{FOUND}
    SELECT 'owner of sequence', name, format('ALTER SEQUENCE %s OWNED BY %s.%s', name, of, part), '', of, 'with'
    FROM found WHERE deptype = 'a'
"""
NUMBERS = f"{FOUND} SELECT name, quote_literal(name), seqstart, of FROM found"
TABLES = f"""
    SELECT 'table', name, format('CREATE %sTABLE %s', CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' END, name)
        || CASE WHEN bound IS NOT NULL THEN format(' PARTITION OF %s %s', parents, bound)
            ELSE format(E' (\\n    %s\\n)', columns) || coalesce(' INHERITS (' || parents || ')', '') END
        || coalesce(' PARTITION BY ' || partition, '')
        || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', ''), '', name, 'table' FROM (
    SELECT c.oid::regclass::text AS name, string_agg(
        quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
        || coalesce(' COLLATE ' || CASE WHEN pg_collation_is_visible(k.oid) THEN '' ELSE
            quote_ident(k.collnamespace::regnamespace::text) || '.' END || quote_ident(k.collname), '')
        || CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid)
            || CASE a.attgenerated WHEN 's' THEN ') STORED' ELSE ') VIRTUAL' END
            WHEN d.oid IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END
        || CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY'
            WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END
        || coalesce((SELECT format(' (SEQUENCE NAME %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s)',
                s.seqrelid::regclass, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
            FROM pg_sequence s JOIN pg_depend i ON i.objid = s.seqrelid AND i.deptype = 'i'
                AND i.classid = 'pg_class'::regclass
            WHERE i.refobjid = c.oid AND i.refobjsubid = a.attnum), '')
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, E',\n    ' ORDER BY a.attnum)
        FILTER (WHERE a.attislocal OR c.relispartition) AS columns,
        c.relpersistence, c.reloptions, pg_get_expr(c.relpartbound, c.oid) AS bound,
        CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition,
        (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid)
        AS parents
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation k ON k.oid = a.attcollation AND a.attcollation <> t.typcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p') AND {CLASSES}
    GROUP BY c.oid ORDER BY c.oid) AS found
"""
CONSTRAINTS = f"""
    SELECT 'constraint', quote_ident(conname), format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.oid::regclass, conname,
        pg_get_constraintdef(o.oid, true)), format('ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, conname),
        c.oid::regclass::text, CASE contype WHEN 'f' THEN 'index' ELSE 'with' END
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE contype IN ('c', 'p', 'u', 'x', 'f') AND conparentid = 0 AND {CLASSES} AND coninhcount = 0
    ORDER BY contype <> 'p', o.oid
"""
INDEXES = f"""
    SELECT 'index', i.indexrelid::regclass::text, CASE c.relkind WHEN 'p'  -- each partition gets one, too
        THEN replace(pg_get_indexdef(i.indexrelid, 0, true), ' ON ONLY ', ' ON ')
        ELSE pg_get_indexdef(i.indexrelid, 0, true) END, '', c.oid::regclass::text,
        CASE WHEN c.relkind IN ('r', 'p') THEN 'index' ELSE 'after' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid) AND {CLASSES}
    ORDER BY i.indexrelid
"""
# A default, a check, an index or a type may need a function: all come before the tables that need no rows of one.
MADE = f"""
    SELECT p.oid, 'function' AS kind, p.oid::regprocedure::text AS name, regexp_replace(
        rtrim(pg_get_functiondef(p.oid), E' \\n'), '^([^(]*? )' || quote_ident(current_schema()) || '[.]', '\\1'),
        'DROP ROUTINE ' || p.oid::regprocedure, NOT EXISTS (
        SELECT FROM pg_depend d LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
        JOIN pg_class c ON c.oid = coalesce((SELECT typrelid FROM pg_type WHERE oid = t.typelem), t.typrelid, d.refobjid)
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND c.relkind IN ('r', 'p', 'v', 'm')
            AND d.refclassid IN ('pg_type'::regclass, 'pg_class'::regclass)) AS early
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind <> 'a' AND {OURS.format(ns="n", catalog="pg_proc", oid="p.oid")} AND NOT EXISTS (
        SELECT FROM pg_depend i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid AND i.deptype = 'i')
    UNION ALL SELECT c.oid, what, c.oid::regclass::text, format(E'CREATE %s %s%s AS\\n%s', upper(what), c.oid::regclass,
        ' WITH (' || array_to_string(reloptions, ', ') || ')', rtrim(pg_get_viewdef(c.oid), ';'))
        || CASE WHEN relispopulated THEN '' ELSE E'\\nWITH NO DATA' END,
        format('DROP %s %s', upper(what), c.oid::regclass), false
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS what) AS w
    WHERE c.relkind IN ('v', 'm') AND {CLASSES}
"""
# Their bodies may speak of tables, and of functions that come later.
BODIES = f"""
    SELECT 'bodies', 'unchecked', 'SET LOCAL check_function_bodies = off', '', NULL, 'before'
    WHERE EXISTS (SELECT FROM ({MADE}) AS made WHERE kind = 'function')
"""
FUNCTIONS, VIEWS = (
    f"""
    SELECT kind, name, create_, drop_, NULL, '{when}'
    FROM ({MADE}) AS made(oid, kind, name, create_, drop_, early) WHERE {which} ORDER BY oid
"""
    for when, which in (("before", "early"), ("after", "NOT early"))
)
EARLY = f"({TYPES}) UNION ALL ({FUNCTIONS})"
# What a type, a function or a view needs of the others: it may have been replaced since it was made.
NEEDS = """
    SELECT DISTINCT coalesce(v.ev_class::regclass::text, k.contypid::regtype::text, CASE d.classid
            WHEN 'pg_type'::regclass THEN d.objid::regtype::text
            WHEN 'pg_proc'::regclass THEN d.objid::regprocedure::text
            WHEN 'pg_class'::regclass THEN d.objid::regclass::text END),
        CASE d.refclassid WHEN 'pg_type'::regclass THEN d.refobjid::regtype::text
            WHEN 'pg_proc'::regclass THEN d.refobjid::regprocedure::text ELSE d.refobjid::regclass::text END
    FROM pg_depend d LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.contypid <> 0
    WHERE d.deptype = 'n' AND d.refobjid >= 16384
        AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_class'::regclass)
    ORDER BY 1, 2
"""
TRIGGER = f"""
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT tgisinternal AND {CLASSES}
"""
TRIGGERS = f"""
    SELECT 'trigger', quote_ident(tgname), pg_get_triggerdef(t.oid, true),
        format('DROP TRIGGER %I ON %s', tgname, c.oid::regclass), c.oid::regclass::text, 'after' {TRIGGER}
        AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'  -- a partition gets that of its table
    ORDER BY t.oid
"""
STATES = f"""
    SELECT 'trigger''s state', quote_ident(tgname), format('ALTER TABLE %s %s TRIGGER %I', c.oid::regclass,
        CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname),
        '', c.oid::regclass::text, 'after' {TRIGGER} AND tgenabled <> 'O' ORDER BY t.oid
"""
RULE_STATES = f"""
    SELECT 'rule''s state', quote_ident(rulename), format('ALTER TABLE %s %s RULE %I', c.oid::regclass,
        CASE ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, rulename),
        '', c.oid::regclass::text, 'after'
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ev_enabled <> 'O' AND {CLASSES} ORDER BY r.oid
"""
RULES = f"""
    SELECT 'rule', quote_ident(rulename), rtrim(pg_get_ruledef(r.oid, true), ';'),
        format('DROP RULE %I ON %s', rulename, c.oid::regclass), c.oid::regclass::text, 'after'
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE rulename <> '_RETURN' AND {CLASSES} ORDER BY r.oid
"""
POLICIES = """
    SELECT 'policy', quote_ident(policyname), format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s',
        policyname, of, permissive, cmd, array_to_string(array(SELECT CASE r WHEN 'public' THEN r ELSE quote_ident(r) END
        FROM unnest(roles::text[]) r), ', '), ' USING (' || qual || ')', ' WITH CHECK (' || with_check || ')'),
        '', of::text, 'after'
    FROM pg_policies CROSS JOIN LATERAL (SELECT format('%I.%I', schemaname, tablename)::regclass AS of) AS o
"""
# What can be said of a table or a column beyond its definition.
SETTINGS = f"""
    SELECT 'setting', what, format('ALTER TABLE %s %s', name, what), '', name, 'after' FROM (
    SELECT c.oid::regclass::text AS name, unnest(array[
        CASE WHEN relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END,
        CASE WHEN relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
        'OF ' || nullif(reloftype, 0)::regtype,
        (SELECT 'SET (' || string_agg('toast.' || o, ', ') || ')' FROM pg_class t, unnest(t.reloptions) o
            WHERE t.oid = c.reltoastrelid),
        CASE relreplident WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
            WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX ' || (
                SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                WHERE i.indrelid = c.oid AND i.indisreplident) END]) AS what
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {CLASSES}
    UNION ALL
    SELECT c.oid::regclass::text, 'ALTER ' || quote_ident(attname) || ' SET ' || unnest(array[
        CASE WHEN attstorage <> typstorage THEN 'STORAGE ' || CASE attstorage WHEN 'p' THEN 'PLAIN'
            WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END END,
        CASE WHEN attstattarget >= 0 THEN 'STATISTICS ' || attstattarget END,
        CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END,
        '(' || (SELECT string_agg(o, ', ') FROM unnest(attoptions) o WHERE o ^@ 'n_distinct') || ')'])
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = atttypid
    WHERE attnum > 0 AND NOT attisdropped AND c.relkind IN ('r', 'p') AND {CLASSES}
    UNION ALL
    SELECT conindid::regclass::text, 'SET (' || array_to_string(x.reloptions, ', ') || ')'
    FROM pg_constraint JOIN pg_class x ON x.oid = conindid JOIN pg_class c ON c.oid = conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE contype IN ('p', 'u', 'x') AND {CLASSES}
    UNION ALL
    SELECT i.indrelid::regclass::text, 'CLUSTER ON ' || quote_ident(x.relname)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE indisclustered AND {CLASSES}
    UNION ALL
    SELECT c.oid::regclass::text, 'ALTER ' || quote_ident(a.attname) || ' ' || unnest(array[
        CASE WHEN own IS DISTINCT FROM inherited THEN coalesce('SET DEFAULT ' || own, 'DROP DEFAULT') END,
        CASE WHEN a.attnotnull AND NOT p.attnotnull THEN 'SET NOT NULL' END])
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_inherits ON inhrelid = c.oid JOIN pg_attribute p ON p.attrelid = inhparent AND p.attname = a.attname
    CROSS JOIN LATERAL (SELECT
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = c.oid AND adnum = a.attnum) AS own,
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = inhparent AND adnum = p.attnum) AS inherited
    ) AS defaults
    WHERE a.attnum > 0 AND NOT a.attislocal AND a.attgenerated = '' AND {CLASSES}) AS found WHERE what IS NOT NULL
"""
COMMENTS = """
    SELECT i.type, i.identity, i.schema, quote_literal(description), d.objsubid,
        CASE WHEN d.classoid = 'pg_class'::regclass AND c.relkind IN ('r', 'p') THEN c.oid::regclass::text END,
        c.oid::regclass::text || coalesce('.' || quote_ident(a.attname), ''), p.conrelid::regclass::text
    FROM pg_description d CROSS JOIN LATERAL pg_identify_object(classoid, objoid, objsubid) i
    LEFT JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
    LEFT JOIN pg_constraint p ON d.classoid = 'pg_constraint'::regclass AND p.oid = d.objoid
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
    WHERE d.objoid >= 16384 AND i.type <> 'extension' AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
    ORDER BY 1, 2
"""
# The number of rows that ANALYZE looks at, for a column of an index, and for statistics.
TARGETS = f"""
    SELECT 'setting', format('of %s, column %s', c.oid::regclass, attnum), format(
        'ALTER INDEX %s ALTER %s SET STATISTICS %s', c.oid::regclass, attnum, attstattarget), '', indrelid::regclass::text,
        'after'
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_index ON indexrelid = c.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE attstattarget >= 0 AND {CLASSES}
    UNION ALL SELECT 'setting', 'of ' || name, format('ALTER STATISTICS %s SET STATISTICS %s', name, target), '',
        stxrelid::regclass::text, 'after'
    FROM (SELECT format('%I.%I', stxnamespace::regnamespace, stxname) AS name, stxrelid,
        (to_jsonb(s) ->> 'stxstattarget')::int AS target FROM pg_statistic_ext s) AS s WHERE target >= 0
"""
STATISTICS = f"""
    SELECT 'statistics', format('%I.%I', s.stxnamespace::regnamespace, stxname), pg_get_statisticsobjdef(s.oid), '',
        c.oid::regclass::text, 'after'
    FROM pg_statistic_ext s JOIN pg_class c ON c.oid = stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {CLASSES} ORDER BY s.oid
"""
DATABASE = """
    SELECT 'setting of the database', unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
    WHERE datname = current_database()
"""
# Every object that has a number of its own is at least named. NOT NULL is of its column; from 18 on, it is one, too.
CATALOGS = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'oid'
    WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
        AND c.relname NOT IN ('pg_default_acl', 'pg_enum') ORDER BY 1
"""
OBJECTS = """
    SELECT i.type, i.identity FROM {catalog} o
    CROSS JOIN LATERAL pg_identify_object(replace('{catalog}', '_metadata', '')::regclass, o.oid, 0) i
    WHERE o.oid >= 16384 AND i.identity !~ 'pg_toast|(RI|PK|Unique)_ConstraintTrigger|pg_temp'
        AND to_jsonb(o) ->> 'contype' IS DISTINCT FROM 'n' AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass AND e.objid = o.oid AND e.deptype = 'e')
"""
QUERIES = (
    *(SCHEMAS, EXTENSIONS, COLLATIONS, SEQUENCES, OWNERS, BODIES, EARLY, TABLES),
    *(
        CONSTRAINTS,
        VIEWS,
        INDEXES,
        TRIGGERS,
        STATES,
        RULES,
        RULE_STATES,
        POLICIES,
        STATISTICS,
        TARGETS,
        SETTINGS,
        DATABASE,
    ),
)


def items(connection: Any, own: set[str]) -> Iterator[Item]:
    ((usual,),) = ask(connection, "SELECT current_schema()")
    places = {schema for schema, name in ask(connection, PLACES) if name in own}
    needs: dict[str, list[str]] = {}
    for name, needed in ask(connection, NEEDS):
        needs.setdefault(name, []).append(needed)
    for query in QUERIES:
        found = [Item(*row) for row in ask(connection, query)]
        if query == SCHEMAS:  # that of the version table is there before all revisions
            found = [item for item in found if item.name not in places]
        yield from in_order(found, needs) if query in (EARLY, VIEWS) else found
    for name, literal, start, of in ask(connection, NUMBERS).all():
        last, is_used = ask(connection, f"SELECT last_value, is_called FROM {name}").one()
        if is_used or last != start:  # else it is as it was made, and not restarted
            yield Item(
                "next number", name, f"SELECT setval({literal}, {last}, {is_used})", table=of
            )
    yield from comments(ask(connection, COMMENTS), usual)
    for (catalog,) in ask(connection, CATALOGS).all():
        for kind, identity in ask(connection, OBJECTS.format(catalog=catalog)):
            is_place = kind == "schema" and identity in places
            if not is_place and not any(mentions(identity, name) for name in own):
                yield Item("object", f"{kind} {identity}")


def in_order(items: list[Item], needs: dict[str, list[str]]) -> Iterator[Item]:
    """Yield items in their order, but each after those that it needs."""
    left = {item.name: item for item in items}

    def with_needed(name: str) -> Iterator[Item]:
        if item := left.pop(name, None):
            for needed in needs.get(name, ()):
                yield from with_needed(needed)
            yield item

    for item in items:
        yield from with_needed(item.name)


def mentions(identity: str, table: str) -> bool:
    """Say whether something is of a table: it has its name, or one after it."""
    return re.search(rf"(?<!\w){re.escape(table)}", identity) is not None


def comments(rows: Any, usual: str) -> Iterator[Item]:
    for kind, identity, schema, literal, column, table, name, constrained in rows:
        what = "COLUMN" if column else kind.removeprefix("table ").removeprefix("domain ").upper()
        what = what.removesuffix(" OBJECT")  # of statistics
        if name:
            identity = name
        elif schema == usual:
            identity = identity.replace(f"{schema}.", "")
        elif constrained:
            identity = f"{identity.partition(' on ')[0]} on {constrained}"
        if kind == "domain constraint":
            identity = identity.replace(" on ", " ON DOMAIN ", 1)
        if identity != usual:  # "standard public schema"
            statement = f"COMMENT ON {what} {identity} IS {literal}"
            yield Item("comment", identity, statement, "", table, "with" if table else "after")
