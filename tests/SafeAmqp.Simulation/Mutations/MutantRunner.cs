using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using SafeAmqp.Simulation.Exploring;

namespace SafeAmqp.Simulation.Mutations;

/// <summary>
/// Runs the simulation on mutants of the library, each in a load context of its own, until one promise is broken.
/// </summary>
internal static class MutantRunner
{
    /// <summary>Publishes after which a mutant is taken to live.</summary>
    private const long Publishes = 300_000;

    internal static async Task<IReadOnlyList<Trial>> TryAsync(IEnumerable<Mutant> mutants, Action<string> tell)
    {
        var compiler = new MutantCompiler();
        var trials = new List<Trial>();
        await Parallel.ForEachAsync(
            mutants, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, (mutant, _) =>
        {
            Trial trial = Try(mutant, compiler.Compile(mutant));
            lock (trials)
            {
                trials.Add(trial);
                tell(trial.ToString());
            }
            return ValueTask.CompletedTask;
        });
        return trials;
    }

    private static Trial Try(Mutant mutant, byte[] library)
    {
        var watch = Stopwatch.StartNew();
        var context = new MutantContext(library);
        Assembly simulation = context.LoadFromAssemblyPath(typeof(Explorer).Assembly.Location);
        MethodInfo judge = simulation.GetType(typeof(Explorer).FullName!, throwOnError: true)!
            .GetMethod(nameof(Explorer.FirstViolation), BindingFlags.Static | BindingFlags.NonPublic)!;
        string? violation = (string?)judge.Invoke(null, [Publishes]);
        context.Unload();
        return new Trial(mutant, violation, watch.Elapsed);
    }

    /// <summary>The library is the mutant's, the simulation a copy that is bound to it, the rest is shared.</summary>
    private sealed class MutantContext(byte[] library) : AssemblyLoadContext(isCollectible: true)
    {
        private Assembly? _library;

        protected override Assembly? Load(AssemblyName name)
            => name.Name == "SafeAmqp" ? _library ??= LoadFromStream(new MemoryStream(library)) : null;
    }
}
