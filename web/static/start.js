// Starts the page. A module of its own, because the content-security policy allows no inline script.

const status = document.querySelector("#start");
const words = status?.querySelector("p");

try {
  const page = await import("./apt-page.js");
  await page.default({ module_or_path: "./apt-page_bg.wasm" });
  status?.remove();
} catch (error) {
  if (words) {
    words.setAttribute("role", "alert");
    words.textContent =
      `The lab could not start: ${error}. Loading the page again may help; it needs a browser of 2023 or newer with WebAssembly SIMD.`;
    status.replaceChildren(words);
  }
  throw error;
}

// Keeps what was loaded for use without a network. Where that is not allowed, the lab works all the same.
if ("serviceWorker" in navigator) {
  try {
    await navigator.serviceWorker.register("./sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    active.postMessage({ keep: [location.href.split(/[?#]/)[0], ...loaded] });
  } catch (error) {
    console.info(`Not kept for offline use: ${error}`);
  }
}
