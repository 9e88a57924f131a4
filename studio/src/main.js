// The page comes to life.

import { Api } from "./api.js";
import { find } from "./dom.js";
import { Stage } from "./stage/stage.js";
import { Studio } from "./studio.js";
import { actions } from "./ui/actions.js";
import { askKey } from "./ui/asking.js";
import { files } from "./ui/files.js";
import { keys } from "./ui/keys.js";
import { Notices } from "./ui/notices.js";
import { onstage } from "./ui/onstage.js";
import { past } from "./ui/past.js";
import { prompt } from "./ui/prompt.js";
import { theme } from "./ui/theme.js";
import { timeline } from "./ui/timeline.js";
import { transport } from "./ui/transport.js";
import { view } from "./view.js";

const ID = /^#([0-9a-f]{32})$/;

async function begin() {
  const notices = new Notices(find("notices"));
  try {
    const stage = new Stage(find("canvas"));
    const studio = new Studio(new Api(askKey), stage, notices);
    theme(stage);
    run(studio);
    await studio.begin();
    for (const part of [prompt, transport, timeline, actions, past, onstage, files, keys])
      part(studio);
    window.addEventListener("hashchange", () => linked(studio));
    window.studio = view(studio);
    document.body.classList.add("ready");
    linked(studio);
  } catch (error) {
    notices.fail(error);
    throw error;
  }
}

/** Open the motion that the address names. */
function linked(studio) {
  const id = ID.exec(location.hash)?.[1];
  if (id && id !== studio.motion?.id) studio.open(id);
}

/** Let time pass and draw, as often as the screen shows pictures. */
function run({ player, stage }) {
  let before = performance.now();
  const next = (now) => {
    player.tick((now - before) / 1000);
    stage.draw(now - before, player.playing);
    before = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}

begin();
