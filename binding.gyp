{
  # For machines without CMake; CMakeLists.txt is the fuller build (tool, sanitizers). Both read native/sources.json.
  'targets': [
    {
      'target_name': 'path_exclusion',
      'sources': [
        '<!@(node -p "const s = require(\'./native/sources.json\'); [...s.addon, ...s.engine, ...s.cpu, ...s.select].join(\' \')")',
      ],
      'include_dirs': ['native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS', 'NDEBUG'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti'],
      'cflags_cc': ['-std=c++17', '-O3', '-Wall', '-Wextra', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
      'ldflags': ['-pthread'],
      'conditions': [
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'WARNING_CFLAGS': ['-Wall', '-Wextra'],
          },
        }],
        ['OS=="win"', {
          'msbuild_toolset': 'ClangCL',
          'msvs_settings': {
            'VCCLCompilerTool': { 'ExceptionHandling': 1, 'AdditionalOptions': ['/std:c++17', '/W4'] },
          },
        }],
      ],
    },
  ],
}
