'use strict';

const MORE_ROWS = 200;
const MORE_CARDS = 60;
// What is worst first: the largest value, or the smallest.
const LARGEST_FIRST = new Set(['doubt', 'leakage', 'components']);

const form = document.getElementById('controls');
const cardList = document.getElementById('cards');
const tableBody = document.querySelector('#rows tbody');
const moreRows = document.getElementById('more-rows');
const moreCards = document.getElementById('more-cards');
const dialog = document.getElementById('large');

const data = JSON.parse(document.getElementById('data').textContent);
const rows = data.rows.map((values) => {
  const row = Object.fromEntries(data.keys.map((key, i) => [key, values[i]]));
  row.category = data.classes[row.class];
  return row;
});
const cards = [...cardList.children].map((element) => ({ element, ...JSON.parse(element.dataset.facts) }));

let shownRows = rows;
let shownCards = cards;
let openCard = 0;

function sizeOf(area) {
  if (area < 32 * 32) return 'small';
  return area < 96 * 96 ? 'medium' : 'large';
}

function within(value, from, to) {
  if (from === '' && to === '') return true;
  if (value === null) return false;
  return (from === '' || value >= Number(from)) && (to === '' || value <= Number(to));
}

function matches(item, wish) {
  return (!wish.category || item.category === wish.category)
    && (!wish.status || item.status === wish.status)
    && (!wish.size || sizeOf(item.area) === wish.size)
    && within(item.score, wish.score_from, wish.score_to)
    && within(item[wish.measure], wish.measure_from, wish.measure_to);
}

function order(wish) {
  const key = wish.sort;
  const sign = (LARGEST_FIRST.has(key) ? -1 : 1) * (wish.reverse ? -1 : 1);
  const compare = key === 'category'
    ? (a, b) => sign * (data.classes.indexOf(a.category) - data.classes.indexOf(b.category))
    : (a, b) => sign * (a[key] - b[key]);
  return (a, b) => {
    // What is not known comes last, either way round.
    const unknown = (a[key] === null) - (b[key] === null);
    return unknown || (a[key] === null ? 0 : compare(a, b)) || b.doubt - a.doubt;
  };
}

function cell(row, value, isText) {
  const element = row.insertCell();
  element.textContent = value ?? '';
  if (isText) element.className = 'text';
}

function addRows() {
  const start = tableBody.rows.length;
  for (const item of shownRows.slice(start, start + MORE_ROWS)) {
    const row = tableBody.insertRow();
    cell(row, item.category, true);
    cell(row, item.status, true);
    for (const key of ['doubt', 'score', 'stability', 'fill', 'coverage', 'leakage']) cell(row, item[key]?.toFixed(3));
    cell(row, item.components);
    cell(row, item.area);
    for (const key of ['stem', 'box_id', 'reason']) cell(row, item[key], true);
  }
  moreRows.hidden = tableBody.rows.length === shownRows.length;
}

function addCards() {
  const start = cardList.children.length;
  cardList.append(...shownCards.slice(start, start + MORE_CARDS).map((item) => item.element));
  moreCards.hidden = cardList.children.length === shownCards.length;
}

function update() {
  const wish = Object.fromEntries(new FormData(form));
  const compare = order(wish);
  shownRows = rows.filter((item) => matches(item, wish)).sort(compare);
  shownCards = cards
    .filter((item) => matches(item, wish) && (!wish.pick || item.pick === wish.pick))
    .sort(compare);
  cardList.replaceChildren();
  addCards();
  tableBody.replaceChildren();
  addRows();
  document.body.classList.toggle('plain', !wish.outlines);
  document.getElementById('card-count').textContent = `${shownCards.length} of ${cards.length}`;
  document.getElementById('row-count').textContent = `${shownRows.length} of ${rows.length}`;
  for (const button of document.querySelectorAll('[data-sort]')) {
    const upwards = LARGEST_FIRST.has(wish.sort) === Boolean(wish.reverse);
    const state = upwards ? 'ascending' : 'descending';
    if (button.dataset.sort === wish.sort) button.parentElement.setAttribute('aria-sort', state);
    else button.parentElement.removeAttribute('aria-sort');
  }
}

function enlarge(index) {
  openCard = (index + shownCards.length) % shownCards.length;
  const copies = [...shownCards[openCard].element.children].map((part) => part.cloneNode(true));
  copies[0] = copies[0].firstElementChild;
  dialog.querySelector('.view').replaceChildren(...copies);
  if (!dialog.open) dialog.showModal();
  document.dispatchEvent(new CustomEvent('look', { detail: shownCards[openCard] }));
}

form.addEventListener('input', update);
form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('reset', () => setTimeout(update));
moreRows.addEventListener('click', addRows);
moreCards.addEventListener('click', addCards);

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.choose) {
    form.elements.category.value = button.dataset.choose;
    update();
    form.scrollIntoView();
  } else if (button.dataset.sort) {
    const again = form.elements.sort.value === button.dataset.sort;
    form.elements.reverse.checked = again && !form.elements.reverse.checked;
    form.elements.sort.value = button.dataset.sort;
    update();
  } else if (button.dataset.step) {
    enlarge(openCard + Number(button.dataset.step));
  } else if ('close' in button.dataset) {
    dialog.close();
  } else if (button.parentElement.classList.contains('card')) {
    enlarge(shownCards.findIndex((item) => item.element === button.parentElement));
  }
});

dialog.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowLeft') enlarge(openCard - 1);
  if (event.key === 'ArrowRight') enlarge(openCard + 1);
});

update();
