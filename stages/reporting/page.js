"use strict";
// Searches the triplets that stand in the page itself; asks nothing of anybody. What a model wrote
// only ever becomes the text of a node, never markup.
(() => {
  const at = (name) => document.getElementById(`triplet-${name}`);

  // Some browsers print closed details closed; what was closed is closed again afterwards.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((each) => !each.closest("figure"));
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });

  // A link to something inside closed details opens them, also where the browser does not.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let each = target && target.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
    if (target && target.closest("details")) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  if (!at("data")) return;
  const { fates, rows } = JSON.parse(at("data").textContent);
  const [FATE, PREMISE, ENTAILMENT, CONTRADICTION, A, B] = [0, 1, 2, 3, 4, 5];
  const list = at("list");
  const card = list.firstElementChild.cloneNode(true);
  const size = list.children.length;
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const counted = (count) => count.toLocaleString("en");
  const gap = (row) => parseFloat(row[A]) - parseFloat(row[B]); // not a number where not judged
  let texts = null; // in lower case; made when first needed
  let found = rows;
  let first = 0;

  const chosen = () => {
    const words = plain(at("words").value).split(/\s+/).filter(Boolean);
    const fate = at("fate").value;
    const fits = (row) => fate === "" || (fate === "rejected" ? row[FATE] !== 0 : row[FATE] === Number(fate));
    if (words.length && !texts) texts = rows.map((row) => plain(`${row[PREMISE]}\n${row[ENTAILMENT]}\n${row[CONTRADICTION]}`));
    const hits = rows.filter((row, place) => fits(row) && words.every((word) => texts[place].includes(word)));
    const order = at("order").value;
    if (!order) return hits;
    const judged = hits.filter((row) => !Number.isNaN(gap(row)));
    return judged.sort((one, other) => (order === "up" ? gap(one) - gap(other) : gap(other) - gap(one)));
  };

  const put = (node, text) => {
    node.classList.toggle("quiet", text.trim() === "");
    node.textContent = text.trim() === "" ? "nothing" : text;
  };

  const show = () => {
    const shown = found.slice(first, first + size);
    list.replaceChildren(...shown.map((row) => {
      const item = card.cloneNode(true);
      const part = (name) => item.querySelector(`[data-part="${name}"]`);
      put(part("fate"), fates[row[FATE]]);
      part("fate").parentElement.classList.toggle("kept", row[FATE] === 0);
      put(part("premise"), row[PREMISE]);
      put(part("entailment"), row[ENTAILMENT]);
      put(part("contradiction"), row[CONTRADICTION]);
      part("a").textContent = row[A];
      part("b").textContent = row[B];
      return item;
    }));
    const many = `${counted(found.length)} of ${counted(rows.length)} triplets`;
    at("count").textContent = found.length ? `${many}${at("order").value ? ", judged ones only" : ""}.` : "No triplet fits.";
    const last = Math.max(1, Math.ceil(found.length / size));
    at("place").textContent = `Page ${counted(first / size + 1)} of ${counted(last)}`;
    at("back").disabled = first === 0;
    at("on").disabled = first + size >= found.length;
    at("pages").hidden = last === 1;
  };

  const search = () => { found = chosen(); first = 0; show(); };
  const turn = (by) => { first += by * size; show(); list.scrollIntoView({ block: "nearest" }); };

  let waiting = 0;
  at("words").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  at("fate").addEventListener("change", search);
  at("order").addEventListener("change", search);
  at("search").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  at("back").addEventListener("click", () => turn(-1));
  at("on").addEventListener("click", () => turn(1));
  at("search").hidden = false;
  at("without-script").hidden = true;
  show();
})();
