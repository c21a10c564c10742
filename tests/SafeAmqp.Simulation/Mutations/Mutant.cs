namespace SafeAmqp.Simulation.Mutations;

/// <summary>A bug to plant: one text of one source file of the library in place of another.</summary>
/// <param name="Name">What is wrong with it.</param>
/// <param name="File">Under <c>src/SafeAmqp</c>.</param>
/// <param name="Old">Occurs there once.</param>
/// <param name="New">What takes its place.</param>
internal sealed record Mutant(string Name, string File, string Old, string New);

/// <summary>What became of a mutant.</summary>
/// <param name="Mutant">The mutant.</param>
/// <param name="Violation">What gave it away; <see langword="null"/> when it lived.</param>
/// <param name="Took">How long it lived.</param>
internal sealed record Trial(Mutant Mutant, string? Violation, TimeSpan Took)
{
    internal bool IsCaught => Violation is not null;

    public override string ToString()
        => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{(IsCaught ? "caught" : "LIVES "),-7} "
            + $"{Took.TotalSeconds,5:0.0} s  {Mutant.Name}: {Violation?.Split('\n')[0]}");
}
