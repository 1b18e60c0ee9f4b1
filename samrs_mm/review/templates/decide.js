
// Decisions by key: kept in the browser, saved as a file for sam_annotate.py --decisions.
const decideForm = document.getElementById('decide');
const classChoice = dialog.querySelector('select[name=class]');
const storeName = `samrs_mm decisions ${data.folder}`;
const WORDS = { accept: 'accepted', reject: 'rejected' };
let decisions = new Map();
let looked = null;
let since = 0;

const nameOf = (item) => `${item.stem}\n${item.box_id}`;

function restoreDecisions() {
  try {
    const kept = JSON.parse(localStorage.getItem(storeName) ?? '{}');
    decideForm.elements.by.value = kept.by ?? '';
    decisions = new Map((kept.decisions ?? []).map((each) => [nameOf(each), each]));
  } catch {
    decisions = new Map(); // a browser that keeps nothing of files; saving still works
  }
}

function keepDecisions() {
  try {
    localStorage.setItem(storeName, JSON.stringify(asFile()));
  } catch {
    // as above
  }
}

function asFile() {
  return { by: decideForm.elements.by.value.trim(), decisions: [...decisions.values()] };
}

function showDecision(item) {
  const decision = decisions.get(nameOf(item));
  const valid = decision && decision.mask === item.mask;
  if (decision && !valid) decisions.delete(nameOf(item)); // its mask is another by now
  const text = valid ? WORDS[decision.action] ?? `class ${decision.value}` : item.edited;
  const line = item.element.querySelector('.decision');
  line.textContent = text;
  line.hidden = !text;
  item.element.classList.toggle('decided', Boolean(valid));
  if (looked === item && dialog.open) {
    const copy = dialog.querySelector('.view .decision');
    copy.textContent = text;
    copy.hidden = !text;
  }
}

function showCount() {
  document.getElementById('decided').textContent = `${decisions.size} decided`;
  decideForm.querySelector('[data-save]').disabled = !decisions.size;
}

function decide(action, value = null) {
  if (!looked) return;
  const now = Date.now();
  if (action) {
    decisions.set(nameOf(looked), {
      stem: looked.stem,
      box_id: looked.box_id,
      mask: looked.mask,
      action,
      value,
      when: new Date(now).toISOString(),
      seconds: Math.round((now - since) / 100) / 10,
    });
  } else {
    decisions.delete(nameOf(looked));
  }
  showDecision(looked);
  showCount();
  keepDecisions();
}

function saveDecisions() {
  const text = JSON.stringify(asFile(), null, 1);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = 'decisions.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

document.addEventListener('look', (event) => {
  looked = event.detail;
  since = Date.now();
  classChoice.value = '';
  showDecision(looked);
});

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if ('decide' in button.dataset) decide(button.dataset.decide);
  if ('save' in button.dataset) saveDecisions();
});

classChoice.addEventListener('change', () => {
  if (classChoice.value) decide('class', classChoice.value);
});

decideForm.addEventListener('submit', (event) => event.preventDefault());
decideForm.elements.by.addEventListener('input', keepDecisions);

dialog.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === classChoice) return;
  if (event.key === 'a') decide('accept');
  else if (event.key === 'r') decide('reject');
  else if (event.key === 'u') decide('');
  else if (event.key === 'c') classChoice.focus();
  else return;
  event.preventDefault();
});

restoreDecisions();
cards.forEach(showDecision);
showCount();
