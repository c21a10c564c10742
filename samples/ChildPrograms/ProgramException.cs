namespace ChildPrograms;

/// <summary>A program that was started here ended too early, or never said what was waited for.</summary>
public sealed class ProgramException(string message) : Exception(message);
