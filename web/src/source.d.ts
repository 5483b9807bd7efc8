/** A module's whole bundle as text (scripts/build-web.mjs). */
declare module '*?source' {
  const text: string;
  export default text;
}
