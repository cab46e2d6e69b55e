import './theme.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { link } from './bridge/link.ts';
import { pickPipe } from './bridge/pick.ts';

const place = document.getElementById('app');
if (place === null) throw new Error('index.html has no #app');
link.start(pickPipe());
mount(App, { target: place });
