// Requests to the server. The token comes with the page's address and goes with every request.

const name = `samrs_mm review ${location.port}`;
const token = location.hash.slice(1) || sessionStorage.getItem(name) || '';

export function keepToken() {
  if (!location.hash) return;
  sessionStorage.setItem(name, token);
  history.replaceState(null, '', location.pathname); // it is in no screenshot and no bookmark
}

async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { Authorization: `Bearer ${token}`, ...options?.headers } });
  } catch {
    throw new Error('the server does not answer; was it stopped? Start it again, and load this page anew');
  }
  if (response.ok) return response;
  let line = `the server says ${response.status}`;
  try {
    line = (await response.json()).error;
  } catch {
    if (response.status === 503) line = 'the server is busy; try again';
  }
  throw Object.assign(new Error(line), { status: response.status });
}

export async function get(what, asked = {}) {
  return (await answer(`/api/${what}?${new URLSearchParams(asked)}`)).json();
}

export async function post(what, asked) {
  const body = JSON.stringify(asked);
  const headers = { 'Content-Type': 'application/json' };
  return (await answer(`/api/${what}`, { method: 'POST', body, headers })).json();
}

export async function piece(asked) {
  const response = await answer(`/api/piece?${new URLSearchParams(asked)}`);
  return createImageBitmap(await response.blob());
}
