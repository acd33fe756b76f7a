// Random rule trees over the columns of fixture.sql, with the SQL that the builders' own libraries export for them: one JSON object a line,
// {id, dialect, rules, sql}, or "refused" instead of "sql" where a tree leaves nothing to ask for. The same trees for the same seed.
// usage: node generate.js SEED TREES
// What the libraries export as broken SQL, or as another comparison than they mean, is not made here: README.md tells.
'use strict';
const fs = require('fs');
const { JSDOM } = require('jsdom');
const { formatQuery } = require('@react-querybuilder/core');

const [seed, count] = process.argv.slice(2).map(Number);

// Chance (mulberry32) ----------------------------------------------------------------------------------------------------------------
let state = seed >>> 0;
function random() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const chance = (probability) => random() < probability;
const below = (limit) => Math.floor(random() * limit);
const pick = (list) => list[below(list.length)];
const several = (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make);

// Columns and their values -------------------------------------------------------------------------------------------------------------
const texts = ['', ' ', '0', '05', '5', '50%', '5_0', '5.0', '%', ',', "'", "O'Brien", 'A', 'AT&T', 'Ann', 'Anna', 'Ann-Marie', 'Berlin', 'NULL',
    'Pa', 'Pete', 'Peter', 'peter', 'PETER', 'Steve', 'York', 'New York', 'Zoë', 'a_b', 'a,b', 'null', 'true', '~', '日本', '日本語'];
const pieces = ['0', '5', 'A', 'B', 'P', 'Pe', 'a', 'ab', 'e', 'et', 'nn', 'off', 'ork', ' ', ',', "'", '-', '.', 'ë', '日', '本'];
const tags = ['S1', 'SMS', 'Sale', 'churned', 'new', 'vip'];
const day = () => `2024-0${1 + below(6)}-${String(1 + below(28)).padStart(2, '0')}`;
const instant = (marks) => (chance(0.3) ? day() : day() + pick(marks));
const columns = [
    { name: 'name', kind: 'text' }, { name: 'city', kind: 'text' }, { name: 'carrier', kind: 'text' },
    { name: 'sent_count', kind: 'number', type: 'integer', value: () => pick([-1, 0, 1, 2, 5, 9, 10, 30, 2147483647]) },
    { name: 'clicks', kind: 'number', type: 'integer', value: () => pick([0, 1, 2, 3, 10]) },
    { name: 'score', kind: 'number', type: 'double', value: () => pick([-2.25, 0, 0.1, 0.3, 1.5, 10000000000]) },
    { name: 'spend', kind: 'number', type: 'double', value: () => pick([0, 9.99, 10, 10.25, 100.5]) },
    { name: 'signup', kind: 'date', type: 'date' }, { name: 'last_sms', kind: 'instant', type: 'datetime' }, { name: 'seen', kind: 'instant', type: 'datetime' },
    { name: 'active', kind: 'boolean' },
];
const numbers = columns.filter((column) => column.kind === 'number').map((column) => column.name);

// A tree of groups of up to this depth; `group` and `leaf` build the dialect's nodes.
function tree(depth, group, leaf) {
    return group(several(1, 5, () => (depth > 0 && chance(0.35) ? tree(depth - 1, group, leaf) : leaf())));
}

// React Query Builder -------------------------------------------------------------------------------------------------------------------
const ordered = ['=', '!=', '<', '<=', '>', '>=', 'between', 'notBetween', 'in', 'notIn', 'null', 'notNull'];
const wanting = { text: [...ordered, 'contains', 'beginsWith', 'endsWith', 'doesNotContain', 'doesNotBeginWith', 'doesNotEndWith'],
    number: ordered, date: ordered, instant: ordered, boolean: ['=', '!=', 'null', 'notNull'] };
const partial = /contain|begin|end/i;
const mixCase = (name) => (chance(0.08) ? [...name].map((c) => (chance(0.5) ? c.toUpperCase() : c.toLowerCase())).join('') : name);

// Whether the exporter shall make numbers of what numeric columns are compared with; else they are strings.
let parsing;

// One value of a column as a form would have it.
function rqbValue(column) {
    switch (column.kind) {
    case 'text': return pick(texts);
    case 'number': {
        if (column.name === 'clicks' && !parsing && chance(0.15))
            return pick(['9007199254740992', '9007199254740993', '9223372036854775806', '9223372036854775807']);
        const value = column.value();
        return chance(0.5) ? value : chance(0.3) ? ` ${value} ` : String(value);
    }
    case 'date': return day();
    case 'instant': return instant(['T00:00:00', ' 12:30:00', 'T12:30:00Z', 'T12:30:00.000Z', 'T12:30:00+02:00', 'T23:59:59.999999Z']);
    default: return chance(0.8) ? chance(0.5) : pick(['true', 'false']);
    }
}

// Several values: a list, or a string that the library splits at commas.
function rqbList(values) {
    const joinable = values.every((value) => String(value).trim() !== '' && String(value).trim() === String(value) && !/[\\]/.test(value));
    return joinable && chance(0.4) ? values.map((value) => String(value).replace(/,/g, '\\,')).join(pick([',', ', '])) : values;
}

// A column to compare a column with. LIKE would take wildcards of the other for its own: cities have none.
function otherColumn(column) {
    return column.kind === 'number' ? pick(numbers) : column.kind === 'text' ? 'city' : column.name;
}

// How many of the tags a group of conditions on one element holds for.
function matchLeaf() {
    const element = () => {
        const operator = pick(wanting.text);
        return { field: '', operator, value: /null/i.test(operator) ? null : partial.test(operator) ? pick(['S', 'a', 'i', 'vip', 'ch'])
            : /between/i.test(operator) ? [pick(tags), pick(tags)] : /^(in|notIn)$/.test(operator) ? several(1, 3, () => pick(tags)) : pick(tags) };
    };
    const value = { combinator: pick(['and', 'or']), ...(chance(0.2) ? { not: true } : {}), rules: several(1, 3, element) };
    const match = chance(0.4) ? { mode: pick(['all', 'some', 'none']) }
        : { mode: pick(['atLeast', 'atMost', 'exactly']), threshold: pick([0, 0.25, 0.5, 0.75, 1, 2, 3]) };
    return decorate({ field: 'tags', operator: '=', match, value }, 0.1);
}

function rqbLeaf() {
    if (chance(0.02))
        return { field: '~', operator: '~', value: '' };
    if (chance(0.05))
        return matchLeaf();
    const column = pick(columns), operator = pick(wanting[column.kind]), leaf = { field: column.name };
    const of_columns = chance(0.12) && column.kind !== 'boolean' && !/null/i.test(operator);
    const value = () => (of_columns ? otherColumn(column) : partial.test(operator) ? pick(pieces) : rqbValue(column));
    if (of_columns || chance(0.08))
        leaf.valueSource = of_columns ? 'field' : 'value';
    leaf.operator = mixCase(operator);
    if (/null/i.test(operator)) {
        if (chance(0.7))
            leaf.value = pick(['', null]);
    } else if (/between/i.test(operator)) {
        // Parsed bounds would be swapped where they are in the wrong order.
        const bounds = nonEmpty(2, 2, value);
        leaf.value = rqbList(parsing && column.kind === 'number' && !of_columns ? bounds.sort((a, b) => a - b) : bounds);
    } else if (/^(in|notIn)$/.test(operator)) {
        leaf.value = rqbList(nonEmpty(1, 4, value));
    } else {
        leaf.value = value();
    }
    return decorate(leaf, 0.04);
}

// The library leaves blank bounds and list items away.
function nonEmpty(least, most, value) {
    return several(least, most, () => {
        for (;;) {
            const one = value();
            if (String(one).trim() !== '')
                return one;
        }
    });
}

// Keys that a builder's own state has.
function decorate(node, muted) {
    if (chance(0.3))
        node.id = `r-${below(1000)}`;
    if (chance(0.04))
        node.disabled = chance(0.7);
    if (chance(muted))
        node.muted = chance(0.9);
    return node;
}

function rqbGroup(combinators, children) {
    const group = chance(0.5) ? { not: chance(0.4) } : {};
    if (combinators)
        group.rules = children.flatMap((child, index) => (index === 0 ? [child] : [pick(['and', 'and', 'or', 'AND']), child]));
    else
        Object.assign(group, { combinator: pick(['and', 'and', 'or', 'OR']), rules: children });
    return decorate(group, 0.02);
}

// What the libraries ask for when nothing is left to ask for.
const nothing = /\(1 = 1\)/;

function rqb(id) {
    const independent = chance(0.3);
    parsing = chance(0.5);
    const rules = tree(3, (children) => rqbGroup(independent, children), rqbLeaf);
    const sql = formatQuery(rules, { format: 'sql', preset: 'postgresql', parseNumbers: parsing ? 'strict-limited' : false,
        fields: columns.map((column) => ({ name: column.name, label: column.name, inputType: column.kind === 'number' ? 'number' : 'text' })) });
    const line = { id: `rqb-${id}`, dialect: independent ? 'rqb_ic' : 'rqb', rules };
    return nothing.test(sql) ? { ...line, refused: 'nothing left' } : { ...line, sql };
}

// jQuery QueryBuilder -------------------------------------------------------------------------------------------------------------------
const window = new JSDOM('<!doctype html><div id="builder"></div>', { runScripts: 'outside-only' }).window;
for (const file of ['jquery/dist/jquery.js', 'jQuery-QueryBuilder/dist/js/query-builder.standalone.js'])
    window.eval(fs.readFileSync(require.resolve(file), 'utf8'));
const builder = window.jQuery('#builder');
const typeOf = { text: 'string', boolean: 'boolean' };
const filters = columns.map((column) => ({
    // As in real JSON, a filter's id is not always its field.
    id: column.name === 'sent_count' ? 'number_sent' : column.name, field: column.name, type: column.type || typeOf[column.kind], kind: column.kind,
    column, ...(column.kind === 'boolean' ? { input: 'radio', values: [{ value: true, label: 'yes' }, { value: false, label: 'no' }] } : {}),
    validation: { step: 'any', allow_empty_value: true },
    ...(column.kind === 'date' || column.kind === 'instant' ? { input: 'text' } : {}),
}));
builder.queryBuilder({ plugins: { 'not-group': {}, 'sql-support': { boolean_as_integer: false } }, filters });

const comparisons = ['equal', 'not_equal', 'less', 'less_or_equal', 'greater', 'greater_or_equal', 'between', 'not_between', 'in', 'not_in', 'is_null', 'is_not_null'];
const offered = { number: comparisons, date: comparisons, instant: comparisons, boolean: ['equal', 'not_equal', 'is_null', 'is_not_null'],
    text: ['equal', 'not_equal', 'in', 'not_in', 'is_null', 'is_not_null', 'is_empty', 'is_not_empty',
        'begins_with', 'not_begins_with', 'contains', 'not_contains', 'ends_with', 'not_ends_with'] };

function jqqbLeaf() {
    const filter = pick(filters), operator = pick(offered[filter.kind]);
    // LIKE's wildcards are escaped there.
    const value = () => (filter.kind === 'text' ? (/with|contains/.test(operator) ? pick([...pieces, '%', '_', '0%', '5_0', 'a_']) : pick(texts.filter((text) => text.trim() !== '')))
        : filter.kind === 'number' ? filter.column.value() : filter.kind === 'date' ? day()
        : filter.kind === 'instant' ? instant([' 00:00:00', ' 12:30:00']) : chance(0.5));
    const leaf = { id: filter.id, field: filter.field, type: filter.type, input: filter.input || (filter.kind === 'number' ? 'number' : 'text'), operator };
    leaf.value = /^is_/.test(operator) ? null : /between/.test(operator) ? [value(), value()]
        : /^(not_)?in$/.test(operator) ? (chance(0.1) ? value() : several(1, 4, value)) : value();
    return leaf;
}

function jqqb(id) {
    const made = tree(3, (children) => ({ condition: pick(['AND', 'OR']), rules: children, not: chance(0.3) }), jqqbLeaf);
    // Arrays of the page: the library asks whether a value is one of its own.
    let rules = window.JSON.parse(JSON.stringify(made));
    // Through the page itself now and then, which takes a while; it gives nothing where it finds bounds in the wrong order.
    if (chance(0.05)) {
        builder.queryBuilder('setRules', rules);
        rules = builder.queryBuilder('getRules', { get_flags: chance(0.5) ? 'all' : false }) || rules;
    }
    // The exporter writes into what it is given.
    const line = { id: `jqqb-${id}`, dialect: 'jqqb', rules: JSON.parse(JSON.stringify(rules)) };
    return { ...line, sql: builder.queryBuilder('getSQL', false, false, rules).sql };
}

for (let id = 0; id < count; id++)
    console.log(JSON.stringify(chance(0.6) ? rqb(id) : jqqb(id)));
