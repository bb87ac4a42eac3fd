// The browser's JavaScript, its tests, and this file.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", "build/"] },
  js.configs.recommended,
  {
    rules: {
      "eqeqeq": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["lab/**/*.js"], languageOptions: { globals: globals.browser } },
  {
    files: ["tests/javascript/*.js", "eslint.config.js"],
    languageOptions: { globals: globals.node },
  },
];
