// The browser's JavaScript, its tests, and this file.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", "build/"] },
  js.configs.recommended,
  {
    rules: {
      "complexity": ["error", 10],
      "eqeqeq": "error",
      "max-depth": ["error", 3],
      "max-len": ["error", { code: 100 }],
      "max-lines": ["error", 250],
      "max-lines-per-function": ["error", 50],
      "max-statements-per-line": ["error", { max: 1 }],
      "no-shadow": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  { files: ["lab/**/*.js"], languageOptions: { globals: globals.browser } },
  {
    files: ["tests/javascript/*.js", "eslint.config.js"],
    languageOptions: { globals: globals.node },
  },
];
