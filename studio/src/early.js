// Runs before anything is shown, so that nobody who has it dark sees it light first.

import { wanted } from "./ui/wanted.js";

document.documentElement.dataset.theme = wanted();
