export async function floods() {}
