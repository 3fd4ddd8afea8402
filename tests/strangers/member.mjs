export async function members() {}
