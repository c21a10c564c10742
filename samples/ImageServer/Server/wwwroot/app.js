const lookEvery = 1000;
const byId = id => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showState(state) {
  byId("connections").textContent = state.connections;
  byId("most").textContent = state.most_connections;
  byId("seen").textContent = state.clients_seen;
  byId("shown").textContent = state.pictures_shown;
  byId("files").textContent = state.files;
  byId("waiting").textContent = state.line.length;
  byId("prompt").textContent = state.last_prompt ?? "–";
  byId("model").textContent = state.model;
  byId("broker").textContent = state.broker;

  byId("line").replaceChildren(...state.line.map(request => {
    const item = element("li", request.title + " ");
    item.append(element("span", `client ${request.client}, ${request.seconds.toFixed(1)} s`));
    return item;
  }));
  byId("line-none").hidden = state.line.length > 0;
  showPictures(state.pictures);
}

// A picture that is still among the last keeps its element, so that nothing flickers.
function showPictures(pictures) {
  const shown = byId("pictures");
  const kept = new Map([...shown.children].map(figure => [figure.dataset.number, figure]));
  shown.replaceChildren(...pictures.map(picture => kept.get(String(picture.number)) ?? figureOf(picture)));
  byId("pictures-none").hidden = pictures.length > 0;
}

function figureOf(picture) {
  const figure = element("figure");
  figure.dataset.number = picture.number;
  const image = element("img");
  image.src = `pictures/${picture.number}.png`;
  image.alt = picture.title;
  const caption = element("figcaption", picture.title);
  caption.append(element("span", `${picture.mode}, client ${picture.client}`));
  figure.append(image, caption);
  return figure;
}

function showLive(text, className) {
  byId("live").textContent = text;
  byId("live").className = `live ${className}`;
}

async function look() {
  try {
    const response = await fetch("api/state");
    if (!response.ok) throw new Error(`status ${response.status}`);
    const state = await response.json();
    showState(state);
    showLive(state.broker_is_ready ? "live" : "broker away", state.broker_is_ready ? "on" : "off");
  } catch {
    showLive("no connection", "off");
  }
  setTimeout(look, lookEvery);
}

look();
