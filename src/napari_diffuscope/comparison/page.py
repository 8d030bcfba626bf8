"""What a report looks like: its style and the few lines that move its divider. No network, no library."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --edge: #8885; --soft: #8882; --worst: #d55e00; --median: #009e73; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 12px 16px 40px; max-width: 1240px; }
h1 { font-size: 1.5rem; margin: .4em 0 .1em; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 1.6em 0 .5em; }
p, li { overflow-wrap: anywhere; } ul { padding-left: 1.2em; margin: .4em 0; } .soft { opacity: .75; font-size: .9em; }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 280px), 1fr)); }
figure { margin: 0; min-width: 0; } figcaption { font-size: .9em; margin-top: 3px; overflow-wrap: anywhere; }
.picture { position: relative; overflow: hidden; border: 1px solid var(--edge); background: #000; line-height: 0; }
.picture img { width: 100%; height: auto; display: block; }
.pixels img { image-rendering: pixelated; }
.bar { position: absolute; left: 4%; bottom: 4%; height: 4px; background: #fff; box-shadow: 0 0 2px #000; }
.bar b { position: absolute; bottom: 5px; left: 0; color: #fff; font: 600 12px/1.2 sans-serif; white-space: nowrap;
  text-shadow: 0 0 3px #000, 0 0 3px #000; }
.bar.dark { background: #222; box-shadow: 0 0 2px #fff; }
.bar.dark b { color: #222; text-shadow: 0 0 3px #fff, 0 0 3px #fff; }
.frame { position: absolute; border: 2px solid; }
.worst { border-color: var(--worst); } .median { border-color: var(--median); }
.word { font-weight: 600; } .word.worst { color: var(--worst); } .word.median { color: var(--median); }
.insets { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(45%, 170px), 1fr)); }
.scroll { overflow-x: auto; border: 1px solid var(--edge); }
table { border-collapse: collapse; font-size: .9em; width: 100%; }
th, td { padding: 5px 9px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--edge); }
tr > :first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
th[title], td[title] { text-decoration: underline dotted; cursor: help; }
.swipe { position: relative; max-width: 760px; touch-action: pan-y; cursor: ew-resize; user-select: none; }
.swipe img + img { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at, 50%)); }
.swipe i { position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; background: #fff;
  box-shadow: 0 0 3px #000; }
.swipe em { position: absolute; top: 6px; font: 600 13px/1.2 sans-serif; color: #fff;
  text-shadow: 0 0 3px #000, 0 0 3px #000;
  max-width: 46%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.swipe em.right { right: 6px; } .swipe em.left { left: 6px; }
.controls { display: flex; flex-wrap: wrap; gap: 8px 16px; margin: 0 0 8px; align-items: center; }
.controls input { flex: 1 1 180px; max-width: 360px; } select { max-width: 100%; font: inherit; }
.plots { display: grid; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); }
.plots svg { width: 100%; height: auto; display: block; } .plots svg text { fill: currentColor; }
.legend { margin: 2px 0 0; font-size: .85em; display: flex; flex-wrap: wrap; gap: 2px 14px; }
.legend i { display: inline-block; width: 22px; margin-right: 5px; vertical-align: middle; }
.scale { height: 12px; border: 1px solid var(--edge);
  background: linear-gradient(90deg, rgb(33,102,172), rgb(247,247,247), rgb(178,24,43)); }
.ends { display: flex; justify-content: space-between; font-size: .85em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: .4em 0; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
details { margin: .5em 0; } summary { cursor: pointer; }
"""

SCRIPT = """
(() => {
  const box = document.querySelector('.swipe');
  if (!box) return;
  const [under, over] = box.querySelectorAll('img');
  const [left, right] = box.querySelectorAll('em');
  const range = document.getElementById('divider');
  const first = document.getElementById('first'), second = document.getElementById('second');
  const choose = () => {
    under.src = document.getElementById(first.value).src;
    over.src = document.getElementById(second.value).src;
    left.textContent = first.selectedOptions[0].textContent;
    right.textContent = second.selectedOptions[0].textContent;
  };
  const move = share => {
    const at = Math.min(100, Math.max(0, share));
    box.style.setProperty('--at', at + '%');
    range.value = at;
  };
  const drag = event => {
    if (event.type === 'pointermove' && !event.buttons) return;
    const edge = box.getBoundingClientRect();
    move(100 * (event.clientX - edge.left) / edge.width);
  };
  first.onchange = second.onchange = choose;
  range.oninput = () => move(Number(range.value));
  box.onpointerdown = event => { box.setPointerCapture(event.pointerId); drag(event); };
  box.onpointermove = drag;
  choose();
  move(50);
})();
"""


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body>\n{body}\n<script>{SCRIPT}</script></body></html>\n"
    )
