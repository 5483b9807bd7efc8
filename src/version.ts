/** Version of this package: what package.json states, where a browser can read it too. */
export const VERSION = '0.1.0';
