// Makes match.jsonl: random trees over arrays, with the SQL that React Query Builder exports for them and the ids that it selects.
//   npm install @react-querybuilder/core@8.24.1; psql -f fixture.sql; node match.mjs > match.jsonl     (PostgreSQL's environment as for psql)
import { execFileSync } from 'node:child_process';
import { formatQuery } from '@react-querybuilder/core/formatQuery';

let state = 20240513;
const below = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((state / 0x80000000) * n);
};
const pick = (list) => list[below(list.length)];
const chance = (percent) => below(100) < percent;

const words = ['S1', 'SMS', 'Sale', 'churned', 'new', 'vip', 's1', '', 'a'];
const parts = ['S', 'SM', 'ale', 'e', 'i', 'vip', 'w'];
const between = [['S', 'T'], ['a', 'o'], ['new', 'vip'], ['vip', 'new']];

// A leaf over one element.
function element() {
  const operator = pick(['=', '!=', '<', '>=', 'in', 'notIn', 'contains', 'doesNotContain', 'beginsWith', 'doesNotEndWith',
    'between', 'notBetween', 'null', 'notNull']);
  const list = [pick(words.filter((word) => word)), pick(words.filter((word) => word))];
  const value = /ull$/.test(operator) ? null
    : /etween/.test(operator) ? pick(between)
      : /in$/i.test(operator) && operator.length < 6 ? (chance(50) ? list : list.join(','))
        : /[WC]ith|ontain|sWith/.test(operator) ? pick(parts) : pick(words);
  return { field: '', operator, value };
}

// A group of leaves that `leaf` gives, with one combinator or with independent ones.
function group(leaf, depth, independent) {
  const rules = [];
  for (let n = 1 + below(3); n > 0; n--) {
    if (independent && rules.length) rules.push(pick(['and', 'or']));
    rules.push(depth > 0 && chance(35) ? group(leaf, depth - 1, independent) : leaf());
  }
  return { ...(independent ? {} : { combinator: pick(['and', 'or']) }), ...(chance(25) ? { not: true } : {}), rules };
}

const modes = ['all', 'some', 'none', 'atLeast', 'atMost', 'exactly'];
const thresholds = [0, 1, 2, 3, 4, 1.5, 0.25, 0.3333333333333333, 0.5, 0.75, 0.999];

function tree(i) {
  const independent = chance(30);
  const match = () => {
    const mode = i < 60 ? modes[i % 6] : pick(modes);
    const threshold = i < 66 ? thresholds[Math.floor(i / 6)] : pick(thresholds);
    return {
      field: 'tags',
      operator: pick(['=', 'contains']),
      match: modes.indexOf(mode) < 3 && chance(50) ? { mode } : { mode: chance(20) ? mode.toLowerCase() : mode, threshold },
      value: group(element, i < 66 ? 0 : 2, independent),
    };
  };
  const other = () => pick([{ field: 'active', operator: 'null', value: null }, { field: 'clicks', operator: '>', value: 2 },
    { field: 'city', operator: 'notIn', value: 'Bern,Oslo' }]);
  if (i < 66) return { combinator: 'and', ...(chance(30) ? { not: true } : {}), rules: [match()] };
  return group(() => (chance(70) ? match() : other()), 1, independent);
}

const cases = [];
for (let i = 0; i < 120; i++) {
  const rules = tree(i);
  cases.push({ id: `match-${i}`, dialect: rules.combinator ? 'rqb' : 'rqb_ic', rules, sql: formatQuery(rules, { format: 'sql', preset: 'postgresql' }) });
}
const queries = cases.map(({ sql }) => `SELECT coalesce(json_agg(id ORDER BY id), '[]') FROM seg_fixture WHERE ${sql};`).join('\n');
const answers = execFileSync('psql', ['-qXAtv', 'ON_ERROR_STOP=1', '-c', "SET TimeZone = 'UTC'", '-f', '-'], { input: queries, encoding: 'utf8' });
answers.trim().split('\n').forEach((ids, i) => console.log(JSON.stringify({ ...cases[i], ids: JSON.parse(ids) })));
