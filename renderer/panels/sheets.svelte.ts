/** Which sheet lies over the window. */
class Sheets {
  open = $state<'none' | 'palette' | 'shortcuts'>('none');
}

export const sheets = new Sheets();
