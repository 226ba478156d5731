// Changes to runs as a whole: another name, tags, the trash.

import { asked, confirmed } from "./confirm.js";
import { notice } from "./dom.js";
import { post } from "./server.js";

/** Ask for another name and give it to a run; resolves to the new name, or null. */
export async function renamed(name) {
  const to = await asked(`New name of ${name}`, name, "Rename");
  if (!to || to === name) return null;
  return attempted(async () => (await post("rename", { run: name, to })).run);
}

/** Ask for the tags of a run and set them. */
export async function tagged(name, tags) {
  const text = await asked(`Tags of ${name}`, tags.join(", "), "Save", "separated by commas");
  if (text === null) return null;
  return attempted(async () => (await post("tag", { run: name, tags: text })).tags);
}

/** Ask, and move runs to the trash; resolves to those that are there now. */
export async function deleted(names) {
  const what = names.length > 1 ? `these ${names.length} runs` : names[0];
  if (!(await confirmed(`Move ${what} to the trash? It is the folder .trash beside the runs; move a run back to restore it.`, "Delete"))) return [];
  const gone = [];
  await attempted(async () => {
    for (const name of names) {
      const { trash } = await post("delete", { run: name });
      gone.push(name);
      notice(`${name} is now ${trash}`);
    }
  });
  return gone;
}

async function attempted(change) {
  try {
    return await change();
  } catch (error) {
    notice(error.message);
    return null;
  }
}
