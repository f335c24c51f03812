/**
 * In continuous integration, on machines that are shared, a test that fails gets one second try, and what failed first is printed.
 * Nobody gets one at home: a test that fails now and then is to be mended.
 */
if (process.env['CI']) import.meta.jest.retryTimes(1, { logErrorsBeforeRetry: true });
