// Choosing a class by typing how it begins, or by a click.

const dialog = document.getElementById('classes');
const wanted = dialog.querySelector('input');
const list = document.getElementById('found');

export function chooseClass(classes, now) {
  return new Promise((resolve) => {
    let chosen = null;
    const show = () => {
      const text = wanted.value.trim().toLowerCase();
      const begins = ({ name }) => name.toLowerCase().startsWith(text);
      const holds = ({ name }) => !begins({ name }) && name.toLowerCase().includes(text);
      const found = [...classes.filter(begins), ...classes.filter(holds)];
      list.replaceChildren(...found.map(({ name, colour }) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.value = button.textContent = name;
        button.style.borderLeftColor = colour;
        button.disabled = name === now;
        return button;
      }));
    };
    const end = (name) => {
      chosen = name;
      dialog.close();
    };
    const on = (target, kind, work) => target.addEventListener(kind, work, { signal: ended.signal });
    const ended = new AbortController();
    on(wanted, 'input', show);
    on(wanted.form, 'submit', (event) => {
      event.preventDefault();
      end(list.querySelector('button:not(:disabled)')?.value ?? null);
    });
    on(list, 'click', (event) => event.target.value && end(event.target.value));
    on(dialog.querySelector('[data-do=close]'), 'click', () => end(null));
    on(dialog, 'close', () => {
      ended.abort();
      resolve(chosen);
    });
    wanted.value = '';
    show();
    dialog.showModal();
    wanted.focus();
  });
}
