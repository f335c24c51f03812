/** Something the person who starts the demo can mend. Its message is all they see. */
export class DemoError extends Error {}
