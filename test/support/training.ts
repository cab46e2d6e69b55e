// A training run's CPU samples, as wide as a real one: what pictures are made of in tests.
import type { Stacks } from './stacks.ts';
import { stacks } from './stacks.ts';
import type { FunctionRef, ViewValue } from '#core/analyze/view';
import { FIRST_VIEW } from '#core/analyze/view';

const ROOT = 'spawn_main @spawn.py:122 ~python #multiprocessing;_main @spawn.py:135 ~python #multiprocessing;run @process.py:108 ~python #multiprocessing;_worker_loop @worker.py:349 ~python #torch;fetch @fetch.py:52 ~python #torch';
const ITEM = `${ROOT};<listcomp> @fetch.py:52 ~python #torch;__getitem__ @data.py:41 ~python !;load_image @data.py:27 ~python !`;
const CALL = `${ROOT};<listcomp> @fetch.py:52 ~python #torch;__getitem__ @data.py:41 ~python !;__call__ @transforms.py:95 ~python #torchvision`;
const OPEN = `${ITEM};convert @Image.py:982 ~python #PIL;load @ImageFile.py:293 ~python #PIL`;
const DECODE = `${OPEN};ImagingJpegDecode #_imaging.so;jpeg_read_scanlines #libjpeg.so;process_data_context_main #libjpeg.so`;
const KERNEL = `${ITEM};open @Image.py:3431 ~python #PIL;read #libc.so;entry_SYSCALL_64 ~kernel #[kernel];do_syscall_64 ~kernel #[kernel];ksys_read ~kernel #[kernel];vfs_read ~kernel #[kernel];filemap_read ~kernel #[kernel]`;
const COLLATE = `${ROOT};collate @data.py:60 ~python !;default_collate @collate.py:277 ~python #torch;collate_tensor_fn @collate.py:140 ~python #torch;aten::stack #libtorch.so;aten::cat #libtorch.so;cat_serial_kernel #libtorch.so`;
const RESIZE = `${CALL};forward @transforms.py:981 ~python #torchvision;resized_crop @functional.py:643 ~python #torchvision;resize @Image.py:2226 ~python #PIL;ImagingResample #_imaging.so`;

/** 11.8 s of CPU time in 1 165 samples; 7.59 s of it below `fetch`. */
export function training(): Stacks {
  const made = stacks(`
    ${DECODE};decompress_onepass #libjpeg.so;decode_mcu_fast #libjpeg.so 1240/122
    ${DECODE};decompress_onepass #libjpeg.so;jsimd_idct_islow_avx2 #libjpeg.so 760/75
    ${DECODE};decompress_onepass #libjpeg.so 130/13
    ${DECODE};sep_upsample #libjpeg.so;jsimd_ycc_rgb_convert_avx2 #libjpeg.so 420/41
    ${DECODE};sep_upsample #libjpeg.so;jsimd_h2v2_fancy_upsample_avx2 #libjpeg.so 240/24
    ${DECODE};sep_upsample #libjpeg.so 70/7
    ${DECODE} 40/4
    ${OPEN};ImagingJpegDecode #_imaging.so 58/6
    ${OPEN} 40/4
    ${KERNEL};clear_page_erms ~kernel #[kernel] 110/11
    ${KERNEL};copy_page_to_iter ~kernel #[kernel] 60/6
    ${KERNEL} 50/5
    ${ITEM};open @Image.py:3431 ~python #PIL;read #libc.so 10/1
    ${ITEM};open @Image.py:3431 ~python #PIL;_accept @Jpeg.py:12 ~python #PIL 60/6
    ${ITEM};open @Image.py:3431 ~python #PIL 40/4
    ${RESIZE};ImagingResampleHorizontal_8bpc #_imaging.so 1180/116
    ${RESIZE};ImagingResampleVertical_8bpc #_imaging.so 690/68
    ${RESIZE};memset #libc.so 80/8
    ${RESIZE} 30/3
    ${CALL};to_tensor @functional.py:170 ~python #torchvision;contiguous #libtorch.so;direct_copy #libtorch.so 310/31
    ${CALL};to_tensor @functional.py:170 ~python #torchvision;div #libtorch.so;div_true #libtorch.so 200/20
    ${CALL};to_tensor @functional.py:170 ~python #torchvision 60/6
    ${CALL};normalize @functional.py:350 ~python #torchvision;sub #libtorch.so;sub_kernel #libtorch.so 180/18
    ${CALL};normalize @functional.py:350 ~python #torchvision;div #libtorch.so;div_kernel #libtorch.so 170/17
    ${CALL};normalize @functional.py:350 ~python #torchvision 60/6
    ${ITEM};augment @data.py:33 ~python !;flip #libtorch.so;flip_kernel #libtorch.so 100/10
    ${ITEM};augment @data.py:33 ~python !;roll #libtorch.so 90/9
    ${ITEM};augment @data.py:33 ~python ! 90/9
    ${ROOT};<listcomp> @fetch.py:52 ~python #torch;__getitem__ @data.py:41 ~python ! 110/11
    ${ROOT};<listcomp> @fetch.py:52 ~python #torch 30/3
    ${COLLATE};memmove #libc.so 290/29
    ${COLLATE};asm_exc_page_fault ~kernel #[kernel];handle_mm_fault ~kernel #[kernel];do_anonymous_page ~kernel #[kernel];clear_page_erms ~kernel #[kernel] 176/17
    ${COLLATE};asm_exc_page_fault ~kernel #[kernel];handle_mm_fault ~kernel #[kernel] 50/5
    ${COLLATE} 40/4
    ${ROOT};collate @data.py:60 ~python ! 46/5
    train @train.py:80 ~python !;step @train.py:51 ~python !;cudaLaunchKernel #libcudart.so 4210/435
  `.replace(/ (\d+)\/(\d+)$/gm, ' $1000000/$2'), { name: 'cycles', source: 'perf 99 Hz' });
  Object.assign(made.profile.info, {
    title: 'train.py', command: 'python train.py --model vit_b_16 --workers 4', host: 'gpu-07', commit: '3f2a91c0d4e5', startedAt: new Date(2026, 10, 22, 11, 32).getTime(),
  });
  return made;
}

/** A path by names: the function rows that the training run has for them. */
export function pathTo({ profile }: Stacks, names: readonly string[]): FunctionRef[] {
  return names.map((name) => {
    for (let fn = 0; fn < profile.functions.length; fn++) {
      if (profile.strings.values[profile.functions.name.get(fn)] !== name) continue;
      return { name, file: profile.strings.values[profile.functions.file.get(fn)], library: profile.strings.values[profile.functions.library.get(fn)] };
    }
    throw new Error(`no function is called ${name}`);
  });
}

export const TO_FETCH = ['spawn_main', '_main', 'run', '_worker_loop', 'fetch'];
export const TO_DECODE = [...TO_FETCH, '<listcomp>', '__getitem__', 'load_image', 'convert', 'load', 'ImagingJpegDecode'];
export const TO_RESAMPLE = [...TO_FETCH, '<listcomp>', '__getitem__', '__call__', 'forward', 'resized_crop', 'resize', 'ImagingResample'];

export function fetchView(made: Stacks): ViewValue {
  return { ...FIRST_VIEW, zoom: pathTo(made, TO_FETCH) };
}
